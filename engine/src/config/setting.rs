//! The table of settings: one row makes the flag, the environment variable, the line of the default file and the help.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Flag name without dashes; also the key in `granary.toml` (with `_`) and, in capitals, `GRANARY_<NAME>`.
    pub name: &'static str,
    /// What a value looks like, for help.
    pub value: &'static str,
    /// Default as text; empty where there is none.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Every setting of `granary up`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "data-dir",
        value: "DIR",
        default: "./granary-data",
        help: "Where all state lives: the log, the embedded Postgres, tokens, the key of secrets, caches",
    },
    Setting {
        name: "listen",
        value: "ADDR:PORT",
        default: "127.0.0.1:8080",
        help: "Address of the HTTP server (collector and API). Port 0 picks a free one; the address is printed and written to <data-dir>/address",
    },
    Setting {
        name: "public-url",
        value: "URL",
        default: "",
        help: "Base of the links in answers, when clients reach the server under another address",
    },
    Setting {
        name: "database-url",
        value: "URL",
        default: "",
        help: "An existing Postgres (>= 14) to use, as postgres://user:password@host:port/database. The default is an embedded server under the data directory",
    },
    Setting {
        name: "postgres-bin",
        value: "DIR",
        default: "",
        help: "Folder with the `postgres` and `initdb` programs of the embedded server. The default looks on PATH and in the usual folders",
    },
    Setting {
        name: "postgres-port",
        value: "PORT",
        default: "0",
        help: "Loopback port of the embedded Postgres; 0 picks a free one",
    },
    Setting {
        name: "cache-dir",
        value: "DIR",
        default: "",
        help: "Where compiled WebAssembly is kept. The default is <data-dir>/cache; several engines may share one",
    },
    Setting {
        name: "python-runtime",
        value: "FILE",
        default: "",
        help: "The Python runtime component. The default looks for share/granary/python.wasm beside the program, then target/guest/python.wasm",
    },
    Setting {
        name: "javascript-runtime",
        value: "FILE",
        default: "",
        help: "The runtime component of JavaScript belts. The default looks for javascript.wasm in the same places",
    },
    Setting {
        name: "javascript-transform-runtime",
        value: "FILE",
        default: "",
        help: "The runtime component of JavaScript transforms. The default looks for javascript-transform.wasm in the same places",
    },
    Setting {
        name: "groovy-runtime",
        value: "FILE",
        default: "",
        help: "The Groovy runtime component. The default looks for groovy.wasm in the same places",
    },
    Setting {
        name: "stream",
        value: "WHERE",
        default: "embedded",
        help: "Where records are kept: embedded (in the data directory), or a Fluvio cluster as fluvio://host:9003, optionally with ?profile= (of Fluvio's configuration, for TLS), &replication= (copies of every stream), &partitions= (of the collector's streams, default 1) and &prefix= (of all topics, default granary)",
    },
    Setting {
        name: "roles",
        value: "LIST",
        default: "api,collector,worker,persister",
        help: "Comma-separated parts that this process runs: api, collector, worker (harvesters and belts), persister. Several processes on one --stream fluvio:// and one --database-url share the work",
    },
    Setting {
        name: "log-disk-max",
        value: "BYTES",
        default: "0",
        help: "Most bytes that the log may take (such as 20GiB); 0 leaves it to the free space of the disk. When it is reached the collector answers 503, and 192 MiB before that where the bound is 512 MiB or more: these are kept for harvesters and belts",
    },
    Setting {
        name: "log-disk-reserve",
        value: "BYTES",
        default: "256MiB",
        help: "Free space that the log leaves on its disk. When 192 MiB more than that are left the collector answers 503, and harvesters and belts go on in these",
    },
    Setting {
        name: "log-queue-max",
        value: "BYTES",
        default: "64MiB",
        help: "Most bytes that may wait to be written to the log. When they do the collector answers 503",
    },
    Setting {
        name: "collector-listen",
        value: "ADDR:PORT",
        default: "",
        help: "A port of the collector's own, which then leaves the one of the API, such as 0.0.0.0:8081",
    },
    Setting {
        name: "collector-tls-certificate",
        value: "FILE",
        default: "",
        help: "Certificates in PEM, the server's own first, for HTTPS on the collector's own port. Renewed files are taken within a minute",
    },
    Setting {
        name: "collector-tls-key",
        value: "FILE",
        default: "",
        help: "The private key of the certificate, in PEM",
    },
    Setting {
        name: "connections",
        value: "COUNT",
        default: "1024",
        help: "Connections to a port at one moment; those beyond it are answered 503",
    },
    Setting {
        name: "idle-timeout",
        value: "SECONDS",
        default: "610",
        help: "How long a connection is kept between requests",
    },
    Setting {
        name: "collector-body-max",
        value: "BYTES",
        default: "32MiB",
        help: "Largest body of a request; of a larger one so much is kept in the stream snowplow_bad",
    },
    Setting {
        name: "collector-body-timeout",
        value: "SECONDS",
        default: "30",
        help: "How long a client may take to send a body, and a second more for every 256 KiB of it, before it is answered 408",
    },
    Setting {
        name: "collector-vendors",
        value: "LIST",
        default: "",
        help: "Comma-separated first path segments that the collector accepts although they hold no dot",
    },
    Setting {
        name: "collector-paths",
        value: "LIST",
        default: "",
        help: "Comma-separated paths that stand for others, such as /acme/track=/com.snowplowanalytics.snowplow/tp2; the second one is recorded",
    },
    Setting {
        name: "trusted-proxies",
        value: "LIST",
        default: "",
        help: "Comma-separated addresses or networks (10.0.0.0/8) whose X-Forwarded-For or Forwarded is believed",
    },
    Setting {
        name: "collector-cookie",
        value: "NAME",
        default: "",
        help: "Name of the cookie by which clients are known again (sp in Snowplow); the default sets none",
    },
    Setting {
        name: "collector-cookie-days",
        value: "DAYS",
        default: "365",
        help: "How long that cookie lives",
    },
    Setting {
        name: "collector-cookie-domains",
        value: "LIST",
        default: "",
        help: "Comma-separated domains of the cookie; the first that covers the host of Origin is taken",
    },
    Setting {
        name: "collector-cookie-fallback-domain",
        value: "DOMAIN",
        default: "",
        help: "Domain of the cookie where none of them does. The default is the host that was asked",
    },
    Setting {
        name: "collector-script-cookie",
        value: "NAME",
        default: "",
        help: "Name of a second cookie with the same value, which scripts of the page may read",
    },
    Setting {
        name: "collector-do-not-track",
        value: "NAME=REGEX",
        default: "",
        help: "Cookie by which clients ask not to be tracked: where all of its value matches, the answer is as usual and nothing is stored",
    },
    Setting {
        name: "collector-redirect-domains",
        value: "LIST",
        default: "",
        help: "Comma-separated hosts that /r/tp2?u=... may lead to (acme.com, *.acme.com); the default has no redirects",
    },
    Setting {
        name: "collector-crossdomain",
        value: "LIST",
        default: "",
        help: "Comma-separated hosts (acme.com, *.acme.com, *) in /crossdomain.xml; the default has no such file",
    },
    Setting {
        name: "collector-root-response",
        value: "ANSWER",
        default: "",
        help: "What GET / answers: an address to go on to, or a status and a text such as '200 collector'. The default leaves it to the API",
    },
    Setting {
        name: "collector-micro",
        value: "COUNT",
        default: "0",
        help: "Events that /micro/good and /micro/bad each keep for tests of trackers, for everybody to read; 0 switches them off",
    },
    Setting {
        name: "collector-access-log",
        value: "COUNT",
        default: "0",
        help: "Every so manieth request to the collector is written to the engine's log, without anything personal; 0 writes none",
    },
    Setting {
        name: "outbound-hosts",
        value: "LIST",
        default: "*",
        help: "Comma-separated hosts that belts may be granted (api.example.com, api.example.com:8443, *.example.com); * is every host with a public address, and a host at a private address has to be named itself",
    },
    Setting { name: "open-metrics", value: "BOOL", default: "false", help: "Serve /metrics without a token" },
    Setting {
        name: "log-format",
        value: "FORMAT",
        default: "text",
        help: "Format of the engine's own log on standard error: text or json",
    },
    Setting {
        name: "log-level",
        value: "FILTER",
        default: "info",
        help: "Level of the engine's own log: error, warn, info, debug, trace, or a filter such as info,granary_stream=debug",
    },
    Setting {
        name: "shutdown-timeout",
        value: "SECONDS",
        default: "30",
        help: "How long a stop may take before it is forced",
    },
];

impl Setting {
    /// Key in the configuration file.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Name of the environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GRANARY_{}", self.key().to_uppercase())
    }
}
