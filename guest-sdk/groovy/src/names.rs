//! The names of all methods that the library knows.
//!
//! Names become numbers when a script is compiled, so a call finds its code by a jump. The table is also what messages
//! about unknown names are made of.

macro_rules! names {
    ($($name:ident)*) => {
        /// The name of a method.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(non_camel_case_types, clippy::enum_variant_names)]
        pub(crate) enum Method {
            /// A name that only a script can define.
            Other,
            $($name,)*
        }

        impl Method {
            /// All names of the library, in order.
            const ALL: &'static [(&'static str, Self)] = &[$((stringify!($name), Self::$name),)*];
        }
    };
}

include!("names.inc.rs");

/// The written form of a name in the table: one of them is a word of the language that the table is written in.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

impl Method {
    /// The number of a name.
    pub(crate) fn named(name: &str) -> Self {
        let found = Self::ALL.binary_search_by(|(known, _)| plain(known).cmp(name));
        found.ok().and_then(|index| Self::ALL.get(index)).map_or(Self::Other, |(_, method)| *method)
    }

    /// All names of the library.
    pub(crate) fn all() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| plain(name))
    }

    /// The known name that differs least, if there is one that differs little.
    pub(crate) fn nearest(name: &str) -> Option<&'static str> {
        nearest(name, Self::ALL.iter().map(|(known, _)| plain(known)))
    }
}

/// The candidate that differs least from a name, if there is one that differs little.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance_max = 1 + lower.chars().count() / 4;
    candidates
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Characters longer than this are not compared: the cost is their square.
const COMPARED_MAX: usize = 64;

/// How many characters have to be changed, added or removed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(COMPARED_MAX).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, char) in from.chars().take(COMPARED_MAX).enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(*other != char);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_order() {
        assert!(Method::ALL.windows(2).all(|pair| plain(pair[0].0) < plain(pair[1].0)));
        assert!(Method::ALL.iter().all(|(name, method)| Method::named(plain(name)) == *method));
    }

    #[test]
    fn nearest_names() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(Method::nearest("colect"), Some("collect"));
        assert_eq!(Method::nearest("tolowercase"), Some("toLowerCase"));
        assert_eq!(Method::nearest("launchRockets"), None);
        assert_eq!(Method::named("findAll"), Method::findAll);
        assert_eq!(Method::named("mod"), Method::r#mod);
    }
}
