#!/bin/sh
# Reads all packages of topic {{topic}}, as they come: one JSON text a line. From the first one kept on: ?from=earliest;
# of the last ten minutes: ?from=-10m; only some: ?parameter=temperature or ?event=reading.
URL="{{url}}"
TOPIC="{{topic}}"
TOKEN="{{token}}"

exec curl --no-buffer --silent --show-error --fail-with-body ${TOKEN:+--header} ${TOKEN:+"Authorization: Bearer $TOKEN"} \
  "$URL/topics/$TOPIC/packages"
