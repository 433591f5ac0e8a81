vcl 4.1;
# Varnish in front of several servers: which of them is asked. All else is in cdn/edges/varnish.vcl.

import directors;

probe ready {
    .url = "/ready"; # says no before a server stops
    .interval = 1s;
    .timeout = 2s;
    .window = 3;
    .threshold = 2;
    .initial = 2;
}

backend a { .host = "a"; .port = "8080"; .probe = ready; .first_byte_timeout = 90s; .between_bytes_timeout = 90s; }
backend b { .host = "b"; .port = "8080"; .probe = ready; .first_byte_timeout = 90s; .between_bytes_timeout = 90s; }
backend c { .host = "c"; .port = "8080"; .probe = ready; .first_byte_timeout = 90s; .between_bytes_timeout = 90s; }

sub vcl_init {
    new servers = directors.round_robin();
    servers.add_backend(a);
    servers.add_backend(b);
    servers.add_backend(c);
    new homes = directors.hash();
    homes.add_backend(a, 1.0);
    homes.add_backend(b, 1.0);
    homes.add_backend(c, 1.0);
}

sub vcl_recv {
    set req.backend_hint = servers.backend();
    if (req.url ~ "^/(api|whip)/") {
        # Any server does, but who uploads stays with one: another would fetch what is there first.
        set req.backend_hint = homes.backend(client.identity);
    }
}

sub vcl_backend_error {
    # A server that has just gone is not yet known to be: another one is asked.
    if ((bereq.method == "GET" || bereq.method == "HEAD") && bereq.retries < 2) {
        return (retry);
    }
}

include "streamer.vcl";
