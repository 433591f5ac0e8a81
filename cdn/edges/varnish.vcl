vcl 4.1;
# Varnish (7 or newer) in front of streamer: varnishd -a :80 -f varnish.vcl -s malloc,1G -p thread_pool_min=200
# TLS belongs in front of it. docs/edges.md says what each part is for.

import std;

probe alive {
    .url = "/health";
    .interval = 1s;
    .timeout = 2s;
    .window = 3;    # away is who has not answered three times in a row,
    .threshold = 1; # and back who has answered once
    .initial = 1;   # so that it may be started before the server
}

backend default {
    .host = "127.0.0.1";
    .port = "8080";
    .probe = alive;
    .first_byte_timeout = 90s;    # live playlists and polls are held
    .between_bytes_timeout = 90s; # an event stream gives a sign of life every 20 s
}

sub vcl_recv {
    if (req.restarts == 0) {
        # Between this edge and itself, or its server: no viewer says these.
        unset req.http.Streamer-Edge;
        unset req.http.Streamer-Fresh;
        unset req.http.Streamer-Stale;
    }
    # A WebSocket is no request and answer: its bytes are handed through both ways.
    # They may pause for as long as the parameter pipe_timeout says (60 s); the server pings every 20 s.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # An event stream is one viewer's and never ends, as with pushed frames: neither kept nor waited for.
    if (req.url ~ "^/control/sse(\?|$)" || req.url ~ "^/v/[^?]*\.push") {
        return (pass);
    }
    if (req.url ~ "^/player/") {
        unset req.http.Cookie; # with one nothing would be kept
    }
    if (req.url ~ "^/v/") {
        call media;
    }
}

# Who asks is of no account for media: it is kept under its path and the delivery directives alone.
sub media {
    if (req.url !~ "^/v/[a-z0-9]{1,64}/[a-z0-9][a-z0-9_./-]*(\?|$)" || (req.method != "GET" && req.method != "HEAD")) {
        return (pass);
    }
    unset req.http.Cookie;
    unset req.http.Authorization;
    if (req.url !~ "^[^?]*\.m3u8\?") {
        set req.url = regsub(req.url, "\?.*$", "");
    } else {
        set req.url = regsub(req.url, "\?", "?&");
        set req.url = regsuball(req.url, "&(?!_HLS_(?:msn|part|skip)=)[^&]*", "");
        set req.url = std.querysort(regsub(regsub(req.url, "\?&", "?"), "\?$", ""));
    }
    # What is served while it is too old is decided by vcl_hit.
    set req.grace = 365d;
    if (req.http.Streamer-Fresh) {
        set req.grace = 0s;
    }
    return (hash);
}

sub vcl_pipe {
    # What makes it a WebSocket is dropped from piped requests unless it is said again.
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
}

sub vcl_hash {
    if (req.url ~ "^/v/") {
        hash_data(req.url); # not the host: under every name it is the same
        return (lookup);
    }
}

sub vcl_hit {
    if (req.url ~ "^/v/" && obj.ttl < 0s) {
        # Old: served at once while a new one is fetched (stale-while-revalidate), or where the server is away
        # or fails (stale-if-error, which is the grace). Else it is asked for as if this one were not there.
        if (!req.http.Streamer-Stale && std.healthy(req.backend_hint)
            && obj.ttl + std.duration(obj.http.Streamer-While, 0s) < 0s) {
            set req.http.Streamer-Fresh = "yes";
            return (restart);
        }
    }
}

sub vcl_miss {
    if (req.http.Streamer-Stale) {
        return (synth(503)); # it has failed, and there is no old one
    }
    if (req.method == "HEAD") {
        return (pass); # Varnish would make a GET of it, and that has segments encoded
    }
}

sub vcl_backend_response {
    # Every byte goes on as it comes, as events and parts of a live segment must.
    set beresp.do_stream = true;
    if (bereq.url ~ "^/v/") {
        unset beresp.http.Set-Cookie;
        if (beresp.status >= 500) {
            call failed;
        }
        call stale;
    }
    # What may not be kept is not waited for either.
    if (beresp.http.Cache-Control ~ "no-store|private") {
        set beresp.uncacheable = true;
        set beresp.ttl = 10s;
        return (deliver);
    }
}

# Keeps an object for as long as its Cache-Control lets it be served when it is old.
sub stale {
    unset beresp.http.Streamer-While;
    set beresp.grace = 0s;
    if (beresp.http.Cache-Control ~ "immutable") {
        set beresp.grace = 1h;
    }
    if (beresp.http.Cache-Control ~ "stale-while-revalidate=[0-9]") {
        set beresp.http.Streamer-While = regsub(beresp.http.Cache-Control, "^.*stale-while-revalidate=([0-9]+).*$", "\1s");
        set beresp.grace = std.duration(beresp.http.Streamer-While, 0s);
    }
    if (beresp.http.Cache-Control ~ "stale-if-error=[0-9]") {
        set beresp.grace = std.duration(regsub(beresp.http.Cache-Control, "^.*stale-if-error=([0-9]+).*$", "\1s"), 0s);
    }
    if (beresp.http.ETag) {
        set beresp.keep = 1h; # asked for by its ETag again
    }
}

# Where there is an old one an error does not take its place: it is as if nobody had asked.
sub failed {
    if (bereq.is_bgfetch || bereq.http.Streamer-Fresh) {
        return (abandon);
    }
}

sub vcl_backend_error {
    if (bereq.url ~ "^/v/") {
        call failed;
        set beresp.ttl = 1s; # shared by all who wait for it
        set beresp.grace = 0s;
        set beresp.http.Access-Control-Allow-Origin = "*"; # pages elsewhere see this edge's own errors as well
        set beresp.http.Cache-Control = "no-store";
        set beresp.http.Content-Type = "application/problem+json";
        set beresp.body = {"{"type": "urn:streamer:problem:origin-away", "title": "The server is away", "status": 503}"};
        return (deliver);
    }
}

sub vcl_deliver {
    unset resp.http.Streamer-While;
}

sub vcl_synth {
    if (req.http.Streamer-Fresh && resp.status == 503) {
        unset req.http.Streamer-Fresh;
        set req.http.Streamer-Stale = "yes";
        return (restart);
    }
    if (req.url ~ "^/v/") {
        set resp.http.Access-Control-Allow-Origin = "*";
        set resp.http.Cache-Control = "no-store";
        set resp.http.Content-Type = "application/problem+json";
        synthetic({"{"type": "urn:streamer:problem:origin-away", "title": "The server is away", "status": 503}"});
        return (deliver);
    }
}
