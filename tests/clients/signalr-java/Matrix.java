// The official Java client in one cell of the matrix: one transport, JSON; a line per kind of call as tests/signalr-matrix prints them.
//
// java Matrix URL WebSockets|LongPolling

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.microsoft.signalr.HttpHubConnectionBuilder;
import com.microsoft.signalr.HubConnection;
import com.microsoft.signalr.HubConnectionBuilder;
import com.microsoft.signalr.HubConnectionState;
import com.microsoft.signalr.TransportEnum;
import io.reactivex.rxjava3.core.Observable;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.disposables.Disposable;
import io.reactivex.rxjava3.subjects.ReplaySubject;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

public class Matrix {
    private static final String TEXT = "grüße, 世界 🎈 \"\\";
    private static final long SECONDS = 25;

    private static String url;
    private static String transport;
    private static int count;
    private static final List<HubConnection> open = new ArrayList<>();

    public static void main(String[] arguments) {
        url = arguments[0];
        transport = arguments[1];
        measured("invoke", Matrix::invoke);
        measured("send", Matrix::send);
        measured("receive", Matrix::receive);
        measured("stream", Matrix::stream);
        measured("upload", Matrix::upload);
        measured("results", Matrix::results);
        measured("data", Matrix::data);
        measured("groups", Matrix::groups);
        measured("users", Matrix::users);
        measured("close", Matrix::close);
        measured("reconnect", () -> "the client has no automatic reconnect");
        measured("stateful", () -> "the client has no stateful reconnect");
        System.exit(0);
    }

    private static String invoke() {
        HubConnection test = connect("/testhub");
        equal(call(test, String.class, "Echo", TEXT), TEXT, "a text");
        equal(call(test, String.class, "echo", "a"), "a", "a target in another case");
        equal(call(test, String.class, "GetActiveTransportName"), transport, "the transport");
        equal(call(test, String.class, "GetCallerConnectionId"), test.getConnectionId(), "the connection id");
        List<Single<String>> answers = IntStream.range(0, 100).mapToObj(i -> test.invoke(String.class, "Echo", "text " + i)).collect(Collectors.toList());
        List<String> texts = answers.stream().map(Matrix::within).collect(Collectors.toList());
        equal(texts, IntStream.range(0, 100).mapToObj(i -> "text " + i).collect(Collectors.toList()), "100 calls");
        refused(() -> call(test, String.class, "ThrowException", "oh no"),
                "An unexpected error occurred invoking 'ThrowException' on the server. InvalidOperationException: oh no", "a failing method");
        refused(() -> call(test, String.class, "NotThere"),
                "Failed to invoke 'NotThere' due to an error on the server. HubException: Method does not exist.", "an unknown method");
        refused(() -> call(test, String.class, "Echo", 5), "InvalidDataException: Error binding arguments.", "an argument of another type");
        HubConnection check = connect("/checkhub");
        done(check, "Nothing");
        equal(call(check, Integer.class, "Add", 2_000_000_000, -3), 1_999_999_997, "a sum");
        refused(() -> call(check, String.class, "FailHub", "told"),
                "An unexpected error occurred invoking 'FailHub' on the server. HubException: told", "a failure meant for the client");
        equal(said(() -> call(check, String.class, "Fail", "secret")).endsWith("invoking 'Fail' on the server."), true, "a failure without details");
        return null;
    }

    private static String send() {
        HubConnection test = connect("/testhub");
        Arrivals messages = new Arrivals();
        test.on("Message", messages::add, String.class);
        test.send("NotThere", 1);
        test.send("ThrowException", "nobody hears of it");
        List<Object> wanted = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            test.send("InvokeWithString", "message " + i);
            wanted.add("message " + i);
            // Over long polling its requests overtake each other.
            if (transport.equals("LongPolling")) messages.some(i + 1, "Message");
        }
        equal(messages.some(20, "Message"), wanted, "20 sends, after two that fail without an answer");
        return null;
    }

    private static String receive() {
        HubConnection test = build("/testhub").build();
        Arrivals objects = new Arrivals();
        Arrivals messages = new Arrivals();
        test.on("CustomObject", objects::add, JsonElement.class);
        test.on("Message", messages::add, String.class);
        start(test);
        done(test, "InvokeWithString", TEXT);
        equal(messages.some(1, "Message"), List.of(TEXT), "a text");
        done(test, "SendCustomObject", json("{\"Name\":\"n\",\"Value\":7}"));
        equal(objects.some(1, "CustomObject"), List.of(json("{\"Name\":\"n\",\"Value\":7}")), "an object");
        HubConnection check = connect("/checkhub");
        Arrivals flood = new Arrivals();
        check.on("Flood", (number, text) -> flood.add(number), Integer.class, String.class);
        equal(call(check, Integer.class, "Flood", 300, 1000), 300, "300 messages of 1000 characters");
        equal(flood.some(300, "Flood"), numbers(300), "their order");
        return null;
    }

    private static String stream() throws Exception {
        HubConnection test = connect("/testhub");
        HubConnection check = connect("/checkhub");
        equal(within(test.stream(String.class, "Stream").toList()), List.of("a", "b", "c"), "three items");
        equal(within(test.stream(String.class, "EmptyStream").toList()), List.of(), "no items");
        equal(within(check.stream(Integer.class, "Counter", 500, 0).toList()), numbers(500), "500 items");
        Arrivals canceled = new Arrivals();
        test.on("StreamCanceled", () -> canceled.add("canceled"));
        Disposable subscription = test.stream(String.class, "InfiniteStream").subscribe();
        // Over long polling the cancel could overtake the call.
        equal(call(test, String.class, "Echo", "beside"), "beside", "a call beside a stream");
        subscription.dispose();
        equal(canceled.some(1, "StreamCanceled"), List.of("canceled"), "cancelling reaches the method");
        Arrivals items = new Arrivals();
        CompletableFuture<String> failed = new CompletableFuture<>();
        check.stream(Integer.class, "StreamFail", 3, "told").subscribe(items::add, error -> failed.complete(error.getMessage()), () -> failed.complete("no error"));
        equal(failed.get(SECONDS, TimeUnit.SECONDS), "An error occurred on the server while streaming results. HubException: told", "a stream that fails");
        equal(items.some(3, "item"), numbers(3), "its items before");
        refused(() -> within(test.stream(String.class, "StreamThrowException", "oh no").toList()),
                "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: oh no", "a stream that does not begin");
        return null;
    }

    private static String upload() {
        HubConnection test = connect("/testhub");
        HubConnection check = connect("/checkhub");
        ReplaySubject<String> words = ReplaySubject.create();
        Arrivals upper = new Arrivals();
        CompletableFuture<String> ended = new CompletableFuture<>();
        check.stream(String.class, "Upper", words).subscribe(upper::add, error -> ended.complete(error.getMessage()), () -> ended.complete("the end"));
        for (String word : List.of("one", "two", "three")) {
            // Over long polling an item could overtake the call, but for the time that takes it waits with the server.
            if (transport.equals("LongPolling")) equal(call(check, Integer.class, "Add", 1, 1), 2, "a call in between");
            words.onNext(word);
            upper.some(words.getValues().length, "upper word");
        }
        words.onComplete();
        equal(upper.some(3, "upper word"), List.of("ONE", "TWO", "THREE"), "each item back while the upload goes on");
        equal(within(Single.fromFuture(ended)), "the end", "both streams end");
        if (transport.equals("LongPolling")) return null; // nothing keeps the items' order there
        equal(call(test, String.class, "StreamingConcat", Observable.just("a", "b", "ç")), "abç", "three items");
        equal(call(check, Integer.class, "Sum", Observable.range(0, 200)), 19_900, "200 items");
        equal(call(check, String.class, "Zip", "-", Observable.just("1", "2"), Observable.just("x", "y")),
                "1-x 2-y", "two streams and a value");
        refused(() -> call(test, String.class, "StreamingConcat", Observable.error(new RuntimeException("gave up"))),
                "An unexpected error occurred invoking 'StreamingConcat' on the server. HubException: ", "an upload that fails");
        return null;
    }

    private static String results() throws Exception {
        HubConnection test = connect("/testhub");
        String address = "/clientresult/" + call(test, String.class, "GetCallerConnectionId");
        equal(get(address), "Client did not provide a result.", "no handler");
        test.onWithResult("Result", () -> Single.just(42));
        equal(get(address), "42", "a number");
        test.remove("Result");
        test.onWithResult("Result", () -> Single.error(new RuntimeException("will not say")));
        equal(get(address), "will not say", "a failing handler");
        HubConnection one = connect("/checkhub");
        HubConnection other = connect("/checkhub");
        done(other, "Nothing"); // before that it might not be found
        other.onWithResult("Question", text -> Single.just("heard " + text), String.class);
        one.onWithResult("Question", text -> Single.just(text + "!"), String.class);
        equal(call(one, String.class, "Ask", other.getConnectionId(), "how?"), "heard how?", "another connection's answer");
        equal(call(one, String.class, "Ask", one.getConnectionId(), "me"), "me!", "one's own answer, while the call waits for it");
        return null;
    }

    private static String data() {
        HubConnection test = connect("/testhub");
        HubConnection check = connect("/checkhub");
        JsonElement complex = json("{\"String\":\"hello world\",\"IntArray\":[1,2,3],\"ByteArray\":\"AQID\","
                + "\"Guid\":\"00010203-0405-0607-0706-050403020100\",\"DateTime\":\"2000-01-01T00:00:00Z\"}");
        equal(call(test, JsonElement.class, "SendComplexObject"), complex, "an object of the server");
        equal(call(test, JsonElement.class, "EchoComplexObject", complex), complex, "the same back");
        for (String value : List.of("true", "\"\"", "[]", "{}", "[0,-1,128,65536,2147483648,9007199254740991,0.5]", "{\"a\":{\"b\":[{\"c\":1}]}}")) {
            equal(call(check, JsonElement.class, "EchoAny", json(value)).toString(), value, "a value");
        }
        return null;
    }

    private static String groups() {
        String group = "g-" + UUID.randomUUID();
        String tag = UUID.randomUUID().toString();
        HubConnection a = connect("/checkhub");
        HubConnection b = connect("/checkhub");
        Arrivals toA = new Arrivals();
        Arrivals toB = new Arrivals();
        a.on("Got", (kind, text) -> toA.addTagged(tag, kind, text), String.class, String.class);
        b.on("Got", (kind, text) -> toB.addTagged(tag, kind, text), String.class, String.class);
        done(a, "Join", group);
        done(b, "Join", group);
        done(a, "ToGroup", group, tag + " 1");
        done(a, "ToOthersInGroup", group, tag + " 2");
        done(a, "ToGroupExcept", group, List.of(b.getConnectionId()), tag + " 3");
        done(b, "Leave", group);
        done(a, "ToGroups", List.of(group), tag + " 4");
        done(a, "ToAll", tag + " 5");
        done(a, "ToConnections", List.of(a.getConnectionId(), b.getConnectionId()), tag + " 6");
        List<Object> wantedByA = List.of("group 1", "groupExcept 3", "groups 4", "all 5", "connections 6");
        List<Object> wantedByB = List.of("group 1", "othersInGroup 2", "all 5", "connections 6");
        equal(toA.some(wantedByA.size(), "Got at a"), wantedByA, "what a got");
        equal(toB.some(wantedByB.size(), "Got at b"), wantedByB, "what b got");
        return null;
    }

    private static String users() throws Exception {
        String user = "user-" + UUID.randomUUID();
        String token = get("/generateJwtToken?user=" + user);
        HubConnection one = build("/checkhub").withAccessTokenProvider(Single.just(token)).build();
        start(one);
        equal(call(one, String.class, "GetUserId"), user, "the user id");
        equal(call(one, String.class, "OnlyUsers"), "welcome", "a method for users");
        HubConnection anonymous = connect("/checkhub");
        refused(() -> call(anonymous, String.class, "OnlyUsers"), "Failed to invoke 'OnlyUsers' because user is unauthorized", "a method for users, without one");
        Arrivals got = new Arrivals();
        one.on("Got", (kind, text) -> { if (kind.equals("user")) got.add(text); }, String.class, String.class);
        done(anonymous, "ToUser", user, "to you");
        equal(got.some(1, "Got"), List.of("to you"), "what is sent to a user");
        HubConnection authorized = build("/authorizedhub").withAccessTokenProvider(Single.just(token)).build();
        start(authorized);
        equal(call(authorized, String.class, "Echo", "in"), "in", "a hub for users");
        refused(() -> start(build("/authorizedhub").build()), "401", "a hub for users, without one");
        return null;
    }

    private static String close() throws Exception {
        HubConnection watching = connect("/checkhub");
        HubConnection stopping = connect("/checkhub");
        String id = stopping.getConnectionId();
        CompletableFuture<String> stopped = closed(stopping);
        within(stopping.stop().toSingleDefault(true));
        equal(stopped.get(SECONDS, TimeUnit.SECONDS), "no error", "stopped without an error");
        equal(stopping.getConnectionState(), HubConnectionState.DISCONNECTED, "its state");
        disconnected(watching, id);
        HubConnection aborted = connect("/checkhub");
        String abortedId = aborted.getConnectionId();
        CompletableFuture<String> gone = closed(aborted);
        aborted.send("Abort");
        equal(gone.get(SECONDS, TimeUnit.SECONDS), "no error", "aborted by the server");
        disconnected(watching, abortedId);
        HubConnection uncreatable = build("/uncreatable").build();
        CompletableFuture<String> failed = closed(uncreatable);
        String error = said(() -> { start(uncreatable); return null; });
        if (error == null) error = failed.get(SECONDS, TimeUnit.SECONDS);
        equal(error.contains("Unable to resolve service for type 'System.Object'"), true, "a connect handler that fails: " + error);
        refused(() -> start(build("/nowhere").build()), "404", "no hub there");
        return null;
    }

    private static CompletableFuture<String> closed(HubConnection connection) {
        CompletableFuture<String> closed = new CompletableFuture<>();
        connection.onClosed(error -> closed.complete(error == null ? "no error" : error.getMessage()));
        return closed;
    }

    private static void disconnected(HubConnection watching, String id) throws InterruptedException {
        while (!call(watching, JsonElement.class, "Disconnects", id).toString().equals("[\"\"]")) Thread.sleep(20); // bounded by the kind's time
        count++;
    }

    // Runs a kind within its time, and prints its line.
    private static void measured(String kind, Callable<String> story) {
        count = 0;
        CompletableFuture<String> result = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                result.complete(story.call());
            } catch (Throwable error) {
                result.completeExceptionally(error);
            }
        });
        thread.setDaemon(true);
        thread.start();
        JsonObject line = new JsonObject();
        line.addProperty("kind", kind);
        try {
            String reason = result.get(SECONDS, TimeUnit.SECONDS);
            line.addProperty("ok", true);
            if (reason != null) line.addProperty("reason", reason);
        } catch (Exception error) {
            line.addProperty("ok", false);
            line.addProperty("reason", String.valueOf(error.getCause() == null ? "not done after " + SECONDS + " s" : error.getCause()));
        }
        line.addProperty("count", count);
        for (HubConnection connection : open) connection.stop().onErrorComplete().blockingAwait(3, TimeUnit.SECONDS);
        open.clear();
        System.out.println(line);
    }

    private static HttpHubConnectionBuilder build(String path) {
        return HubConnectionBuilder.create(url + path).withTransport(transport.equals("LongPolling") ? TransportEnum.LONG_POLLING : TransportEnum.WEBSOCKETS);
    }

    private static HubConnection connect(String path) {
        HubConnection connection = build(path).build();
        start(connection);
        return connection;
    }

    private static void start(HubConnection connection) {
        within(connection.start().toSingleDefault(true));
        open.add(connection);
    }

    private static <T> T call(HubConnection connection, Class<T> type, String name, Object... values) {
        return within(connection.invoke(type, name, values));
    }

    private static void done(HubConnection connection, String name, Object... values) {
        within(connection.invoke(name, values).toSingleDefault(true));
        count++;
    }

    private static <T> T within(Single<T> answer) {
        return answer.timeout(SECONDS, TimeUnit.SECONDS).blockingGet();
    }

    private static String get(String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
    }

    private static JsonElement json(String text) {
        return JsonParser.parseString(text);
    }

    private static List<Object> numbers(int count) {
        return IntStream.range(0, count).boxed().collect(Collectors.toList());
    }

    private static void equal(Object actual, Object expected, String what) {
        if (!Objects.equals(actual, expected)) throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        count++;
    }

    private static void refused(Runnable call, String text, String what) {
        String error = said(() -> { call.run(); return null; });
        if (error == null || !error.contains(text)) throw new AssertionError(what + ": expected " + text + ", got " + error);
        count++;
    }

    private static String said(Callable<?> call) {
        try {
            call.call();
            return null;
        } catch (Throwable error) {
            return String.valueOf(error.getMessage());
        }
    }

    // What a handler was called with.
    private static class Arrivals {
        private final LinkedBlockingQueue<Object> queue = new LinkedBlockingQueue<>();
        private final List<Object> items = Collections.synchronizedList(new ArrayList<>());

        void add(Object item) {
            queue.add(item);
        }

        void addTagged(String tag, String kind, String text) {
            if (text.startsWith(tag)) add(kind + text.substring(tag.length()));
        }

        List<Object> some(int count, String what) {
            try {
                while (items.size() < count) {
                    Object item = queue.poll(SECONDS, TimeUnit.SECONDS);
                    if (item == null) throw new AssertionError("still not " + count + " × " + what + ", but " + items);
                    items.add(item);
                }
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
            queue.drainTo(items);
            return List.copyOf(items);
        }
    }
}
