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
        unset req.http.Streamer-Ask;
        unset req.http.Streamer-Edge;
        unset req.http.Streamer-Fresh;
        unset req.http.Streamer-Own;
        unset req.http.Streamer-Path;
        unset req.http.Streamer-Stale;
    }
    if (req.url ~ "^/p/[^/?]+/[a-z0-9]{1,64}/[a-z0-9][a-z0-9_./-]*(\?|$)") {
        call secret;
    }
    # A WebSocket is no request and answer: its bytes are handed through both ways.
    # They may pause for as long as the parameter pipe_timeout says (60 s); the server pings every 20 s.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # An event stream is one viewer's and never ends, as with pushed frames: neither kept nor waited for.
    if (req.url ~ "^/control/sse(\?|$)" || req.url ~ "^/(v|p)/[^?]*\.push") {
        return (pass);
    }
    if (req.url ~ "^/player/") {
        unset req.http.Cookie; # with one nothing would be kept
    }
    if (req.url ~ "^/p/") {
        call protected;
    }
    if (req.url ~ "^/v/") {
        call media;
    }
}

# What is signed: the server says whether the token opens it (kept for as long as it says, under the token), and
# then it is kept without the token, where no request comes by that has not been through this.
sub protected {
    if (!req.http.Streamer-Edge || req.http.Streamer-Own || (req.method != "GET" && req.method != "HEAD")) {
        return (pass); # the server looks at the token itself
    }
    unset req.http.Cookie;
    unset req.http.Authorization;
    set req.http.Streamer-Ask = "yes";
    set req.http.Streamer-Path = req.url;
    set req.url = regsub(req.url, "^(/p/[^/]+/[^/]+)/.*$", "\1/allowed");
    set req.grace = 0s;
    return (hash);
}

# The same as the server's STREAMER_EDGE_SECRET. Nobody but the two must know it.
sub secret {
    set req.http.Streamer-Edge = "put a long random secret here";
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
    if (req.http.Streamer-Edge) {
        hash_data("signed"); # apart from all that anybody may have
    }
    if (req.url ~ "^/(v|p)/") {
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
    if (req.method == "HEAD" && !req.http.Streamer-Ask) {
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
    # A token that opens nothing is not remembered, one that does for as long as is said and no second longer.
    if (bereq.http.Streamer-Ask) {
        set beresp.grace = 0s;
        if (beresp.status != 204) {
            set beresp.uncacheable = true;
            set beresp.ttl = 0s;
            return (deliver);
        }
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
    if (req.http.Streamer-Ask && resp.status == 204) {
        set req.url = req.http.Streamer-Path;
        if (resp.http.Streamer-Pass) {
            # This viewer's manifest is his own.
            set req.http.Streamer-Own = "yes";
        } else {
            set req.url = regsub(req.url, "^/p/[^/]+/", "/v/");
        }
        unset req.http.Streamer-Ask;
        unset req.http.Streamer-Path;
        return (restart);
    }
    unset resp.http.Streamer-While;
    if (req.http.Streamer-Edge) {
        # Browsers keep media alone for themselves, and nobody on the way.
        unset resp.http.Surrogate-Control;
        if (resp.http.Cache-Control ~ "immutable") {
            set resp.http.Cache-Control = "private, max-age=31536000, immutable";
        } else {
            set resp.http.Cache-Control = "private, no-store";
        }
    }
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
