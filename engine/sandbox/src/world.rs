//! Whether a component fits the world that it is uploaded for: each import and export that does not is named.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;

use crate::component::Component;
use crate::sandbox::Error;
use crate::script::Kind;

/// A public world.
struct World {
    /// Its name without a version.
    name: &'static str,
    /// Package of the interfaces that its components may import.
    package: &'static str,
    /// Version of the contract that this engine speaks.
    version: (u64, u64, u64),
    /// Interfaces of the package.
    interfaces: &'static [&'static str],
    /// The function that a component exports, by name, and its signature for people.
    function: (&'static str, &'static str),
    /// The one that it may export in its place, whose batches go in one piece.
    framed: (&'static str, &'static str),
}

impl World {
    fn expected(&self) -> String {
        self.functions().map(|(name, signature)| format!("{name}: {signature}")).join(", or ")
    }

    fn functions(&self) -> [(&'static str, &'static str); 2] {
        [self.function, self.framed]
    }

    fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Belt => &BELT,
            Kind::Transform => &TRANSFORM,
        }
    }
}

const BELT: World = World {
    name: "granary:belt/belt",
    package: "granary:belt",
    version: (1, 2, 0),
    interfaces: &["types", "logging", "configuration", "metrics", "profiles", "eventstore", "http"],
    function: ("execute", "func(events: list<event>) -> result<list<outcome>, string>"),
    framed: ("execute-framed", "func(events: list<u8>) -> result<list<u8>, string>"),
};

const TRANSFORM: World = World {
    name: "granary:transform/transform",
    package: "granary:transform",
    version: (0, 1, 1),
    interfaces: &["types", "host"],
    function: ("execute", "func(records: list<source-record>) -> result<list<outcome>, string>"),
    framed: ("transform-framed", "func(records: list<u8>) -> result<list<u8>, string>"),
};

/// Packages of WASI 0.2 that every guest may import. Files and sockets answer that nothing is granted.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Names every import beyond the grants, and a missing export.
pub(crate) fn check(component: &Component, engine: &Engine, kind: Kind) -> Result<(), Error> {
    let world = World::of(kind);
    let ty = component.wasm().component_type();
    let mut problems: Vec<String> =
        ty.imports(engine).filter_map(|(name, _)| import_problem(world, name)).collect();
    let exports: Vec<(&str, ComponentItem)> =
        ty.exports(engine).map(|(name, item)| (name, item.ty)).collect();
    let of_world = |(name, _): &&(&str, _)| world.functions().iter().any(|(known, _)| known == name);
    match exports.iter().find(of_world) {
        Some((_, ComponentItem::ComponentFunc(_))) => {}
        Some((name, _)) => {
            problems.push(format!("the export '{name}' is no function, expected {}", world.expected()));
        }
        None => {
            let names: Vec<&str> = exports.iter().map(|(name, _)| *name).collect();
            let there = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            // A component that imports nothing shows by its export alone what it is.
            let other = match kind {
                Kind::Transform if names.contains(&BELT.framed.0) => {
                    ", the function of a belt of granary:belt"
                }
                Kind::Belt if names.contains(&TRANSFORM.framed.0) => {
                    ", the function of a transform of granary:transform"
                }
                _ => "",
            };
            problems.push(format!(
                "the export 'execute' is missing, {} has {}; exported is {there}{other}",
                world.name,
                world.expected()
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::World { world: world.name, problems }) }
}

/// Whether a component takes its batches in one piece.
pub(crate) fn is_framed(component: &Component, engine: &Engine, kind: Kind) -> bool {
    component.wasm().component_type().get_export(engine, World::of(kind).framed.0).is_some()
}

/// What is wrong with an import, if anything.
fn import_problem(world: &World, name: &str) -> Option<String> {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    if package == world.package {
        let (major, minor, patch) = world.version;
        let ours = format!("{major}.{minor}.{patch}");
        return match parse(version) {
            Some(theirs) if !is_compatible(theirs, world.version) => Some(format!(
                "the import '{name}' is of contract version {version}, this engine has {}@{ours}: build the component \
                 with an SDK of that version, or use an engine that has {version}",
                world.package
            )),
            Some(_) if world.interfaces.contains(&interface) => None,
            _ => Some(format!(
                "the import '{name}' is not part of {}@{ours}, whose interfaces are {}",
                world.package,
                world.interfaces.join(", ")
            )),
        };
    }
    if let Some(wasi) = package.strip_prefix("wasi:") {
        if WASI.contains(&wasi) && version.starts_with("0.2.") {
            return None;
        }
        return Some(format!(
            "the import '{name}' is not granted: of WASI there are {} in version 0.2",
            WASI.join(", ")
        ));
    }
    Some(format!("the import '{name}' is not known: a component may import {} and WASI 0.2", world.package))
}

fn parse(version: &str) -> Option<(u64, u64, u64)> {
    let plain = version.split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(str::parse::<u64>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Whether an engine of contract `ours` runs what was built against `theirs`: as Cargo reads versions.
fn is_compatible(theirs: (u64, u64, u64), ours: (u64, u64, u64)) -> bool {
    let same_line = if ours.0 == 0 { (theirs.0, theirs.1) == (0, ours.1) } else { theirs.0 == ours.0 };
    same_line && theirs <= ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_within_the_grants_pass() {
        for name in [
            "granary:belt/logging@1.0.0",
            "granary:belt/http@1.2.0",
            "wasi:io/streams@0.2.6",
            "granary:belt/types@1.0.0",
        ] {
            assert_eq!(import_problem(&BELT, name), None, "{name}");
        }
    }

    #[test]
    fn other_imports_are_named_with_the_reason() {
        for (name, why) in [
            ("granary:belt/logging@1.3.0", "of contract version 1.3.0, this engine has granary:belt@1.2.0"),
            ("granary:belt/logging@0.1.0", "of contract version 0.1.0"),
            ("granary:belt/money@1.0.0", "not part of granary:belt@1.2.0"),
            ("wasi:http/outgoing-handler@0.2.0", "not granted"),
            ("wasi:io/streams@0.3.0", "not granted"),
            ("env", "not known"),
        ] {
            let problem = import_problem(&BELT, name).unwrap_or_default();
            assert!(problem.contains(why) && problem.contains(name), "{name}: {problem}");
        }
    }
}
