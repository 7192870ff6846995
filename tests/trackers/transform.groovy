import groovy.json.JsonSlurper
import io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe

// One event of a tracker is one event: a POST carries a list of them, a GET one in its query.
def request = SnowplowSerDe.deserialize(payload)
def text = { URLDecoder.decode(it, 'UTF-8') }

def events
if (request.getBody()) {
    events = new JsonSlurper().parseText(request.getBody()).data
} else {
    events = [request.getQuerystring().split('&').collectEntries {
        def pair = it.split('=', 2)
        [(text(pair[0])): text(pair[1])]
    }]
}
return events.collect {
    [event: it, networkUserId: request.getNetworkUserId(), path: request.getPath(), userAgent: request.getUserAgent()]
}
