vcl 4.1;
# Varnish (7 or newer) in front of streamer: varnishd -a :80 -f varnish.vcl -s malloc,1G
# Start it after the server. TLS belongs in front of it.

backend default {
    .host = "127.0.0.1";
    .port = "8080";
    .first_byte_timeout = 90s;    # live playlists and polls are held
    .between_bytes_timeout = 90s; # an event stream gives a sign of life every 20 s
}

sub vcl_recv {
    # A WebSocket is no request and answer: its bytes are handed through both ways.
    # They may pause for as long as the parameter pipe_timeout says (60 s); the server pings every 20 s.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # An event stream is one viewer's, and never ends: it is neither kept nor waited for by anybody else.
    if (req.url ~ "^/control/sse(\?|$)") {
        return (pass);
    }
    # Who watches needs no session: with a cookie nothing would be kept.
    if (req.url ~ "^/(v|player)/") {
        unset req.http.Cookie;
    }
}

sub vcl_pipe {
    # What makes it a WebSocket is dropped from piped requests unless it is said again.
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
}

sub vcl_backend_response {
    # Every byte goes on as it comes, as events and parts of a live segment must.
    set beresp.do_stream = true;
    # What may not be kept is not waited for either.
    if (beresp.http.Cache-Control ~ "no-store|private") {
        set beresp.uncacheable = true;
        set beresp.ttl = 10s;
        return (deliver);
    }
}
