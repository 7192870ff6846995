//! What a process does: `--roles`.

use std::str::FromStr;

/// A part of the engine that a process may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Definitions, SQL, everything that a token is needed for.
    Api,
    /// Takes events.
    Collector,
    /// Runs harvesters and belts.
    Worker,
    /// Runs persisters.
    Persister,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Api, Self::Collector, Self::Worker, Self::Persister];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Collector => "collector",
            Self::Worker => "worker",
            Self::Persister => "persister",
        }
    }
}

/// The roles of a process: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// Whether it has this one.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether it has all.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.len() == Role::ALL.len()
    }

    /// As they are written.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|role| role.as_str().to_owned()).collect()
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(Role::ALL.to_vec())
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let known = Role::ALL.into_iter().find(|role| role.as_str() == name);
            roles.push(known.ok_or_else(|| {
                format!("expected a list of api, collector, worker and persister, but an item is '{name}'")
            })?);
        }
        roles.sort();
        roles.dedup();
        if roles.is_empty() {
            return Err("expected at least one of api, collector, worker and persister".to_owned());
        }
        Ok(Self(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_in_any_order_and_a_mistake_is_named() {
        let roles: Roles = "worker, api,worker".parse().expect("roles");
        assert_eq!(roles.names(), ["api", "worker"]);
        assert!(roles.has(Role::Worker) && !roles.has(Role::Persister) && !roles.is_all());
        assert_eq!("api,collector,worker,persister".parse(), Ok(Roles::default()));
        assert!("api,belt".parse::<Roles>().expect_err("a mistake").contains("'belt'"));
        assert!(" , ".parse::<Roles>().is_err());
    }
}
