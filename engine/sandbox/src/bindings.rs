//! Generated from the WIT of the worlds; nothing else lives here.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]

/// The private world of the script runtimes that ship with the engine.
pub(crate) mod script {
    wasmtime::component::bindgen!({
        path: "../../wit/script.wit",
        world: "granary:script/script",
        imports: { "granary:script/host.send": async },
        exports: { default: async },
    });
}

/// The public world of uploaded transforms.
pub(crate) mod transform {
    wasmtime::component::bindgen!({
        path: "../../wit/transform.wit",
        world: "granary:transform/transform",
        exports: { default: async },
    });
}

/// The public world of compiled belts. Events are only read, so they are lent to the guest and not copied first.
pub(crate) mod belt {
    wasmtime::component::bindgen!({
        path: "../../wit/belt.wit",
        world: "granary:belt/belt",
        imports: { "granary:belt/http.send": async },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// The public world of compiled belts whose batches go in one piece; its interfaces are those of [`belt`].
pub(crate) mod framed_belt {
    wasmtime::component::bindgen!({
        path: "../../wit/belt.wit",
        world: "granary:belt/framed-belt",
        exports: { default: async },
        with: {
            "granary:belt/logging": super::belt::granary::belt::logging,
            "granary:belt/configuration": super::belt::granary::belt::configuration,
            "granary:belt/metrics": super::belt::granary::belt::metrics,
            "granary:belt/profiles": super::belt::granary::belt::profiles,
            "granary:belt/eventstore": super::belt::granary::belt::eventstore,
            "granary:belt/http": super::belt::granary::belt::http,
        },
    });
}

/// The public world of uploaded transforms whose batches go in one piece; its interface is that of [`transform`].
pub(crate) mod framed_transform {
    wasmtime::component::bindgen!({
        path: "../../wit/transform.wit",
        world: "granary:transform/framed-transform",
        exports: { default: async },
        with: { "granary:transform/host": super::transform::granary::transform::host },
    });
}
