# One-line tasks. `make run` and `make test` need a Debian with Rust, Node.js and a JDK; the rest they see to themselves.
.PHONY: run test test-long seven-ways lint fuzz bench bench-broker build clean

run: web-demo/node_modules
	@scripts/prepare run
	cargo run --release --bin streamgate -- serve

test: web-demo/node_modules tests/signalr-js/node_modules tests/signalr-matrix/node_modules
	@scripts/prepare test
	cargo build --workspace --bins
	cargo build -p signalr-server --example conformance-server
	cargo test --workspace

# More rounds of what kills things, what Kafka clients expect tried on a real one, a million ids, a million rows of CSV, the
# property tests at length, the recipes against what they connect.
test-long: test
	STREAMGATE_TEST_ROUNDS=100 cargo test -p e2e --test kafka_outage
	STREAMGATE_TEST_ROUNDS=100 cargo test -p e2e --test embedded_kills -- --nocapture
	STREAMGATE_TEST_KAFKA_CONTROL=1 cargo test -p e2e --test listener_clients
	STREAMGATE_TEST_IDS=1000000 cargo test -p e2e --test many_ids -- --nocapture
	STREAMGATE_TEST_ROWS=1000000 cargo test -p e2e --test csv_import speed:: -- --nocapture
	STREAMGATE_TEST_ROWS=200000 STREAMGATE_TEST_ROUNDS=50 cargo test -p e2e --test csv_import cut_off:: -- --nocapture
	@scripts/prepare recipes
	cargo test -p e2e --test recipes --test connect -- --ignored
	PROPTEST_CASES=20000 cargo test --workspace --lib --tests --exclude e2e

# The seven ways of Quix's page "How to connect to Quix", a line each.
seven-ways: web-demo/node_modules tests/signalr-js/node_modules tests/signalr-matrix/node_modules
	@scripts/prepare test
	@scripts/prepare recipes
	cargo build --workspace --bins
	@scripts/seven-ways

lint: web-demo/node_modules
	@scripts/prepare run
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Bytes from strangers, for a minute each; needs `cargo install cargo-fuzz`.
fuzz:
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run log_open -- -max_total_time=60 -max_len=400 -malloc_limit_mb=64
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run kafka_request -- -max_total_time=60 -malloc_limit_mb=64
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run json_message -- -max_total_time=60 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run msgpack_message -- -max_total_time=60 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run handshake -- -max_total_time=60 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run hub_session -- -max_total_time=60 -timeout=10 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run jwt -- -max_total_time=60 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run http_request -- -max_total_time=60 -timeout=10 -malloc_limit_mb=8
	cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run quix_package -- -max_total_time=60 -malloc_limit_mb=16

# Server CPU per delivery and memory per connection, against a bare server in the same run.
bench: build
	target/release/loadtest bench --server target/release/streamgate --floor target/release/floor

# The embedded broker beside a real Kafka in the same run, and what a sync of the disk takes; about seven minutes.
bench-broker: build target/kafka/complete
	cargo build --release -p embedded-log --example append_load
	target/release/loadtest brokers --server target/release/streamgate --kafka-libs target/kafka/libs \
	    --in-process target/release/examples/append_load --rounds 5 --max-seconds 500 --json target/bench-broker.json

# The jars of a Kafka broker, as tests/src/maven.rs brings them, with its lock and its marker.
target/kafka/complete: tests/kafka/pom.xml
	@scripts/prepare test
	mkdir -p target/kafka
	flock target/kafka/lock sh -c 'cmp -s $< $@ || { rm -rf target/kafka/libs && mvn -B -q -f $< dependency:copy-dependencies \
	    -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/target/kafka/libs && cp $< $@; }'
	@touch $@

build: web-demo/node_modules
	@scripts/prepare run
	cargo build --release --workspace --bins

%/node_modules: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf target web-demo/node_modules tests/signalr-js/node_modules tests/signalr-matrix/node_modules
