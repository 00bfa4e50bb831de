#!/bin/sh
# Writes ten events to topic {{topic}}, one a request. Many at once: one JSON text a line.
URL="{{url}}"
TOPIC="{{topic}}"
TOKEN="{{token}}"

number=0
while [ "$number" -lt 10 ]; do
  # Timestamps are nanoseconds since 1970.
  printf '{"streamId":"sensor-1","id":"reading","timestamp":%s000000000,"value":"%s"}\n' "$(date +%s)" "$number" |
    curl --silent --show-error --fail-with-body ${TOKEN:+--header} ${TOKEN:+"Authorization: Bearer $TOKEN"} \
      --header "Content-Type: application/x-ndjson" --data-binary @- "$URL/topics/$TOPIC/packages" || exit 1
  echo
  number=$((number + 1))
done
