//! Which paths are the collector's, and what they stand for.

use std::str::FromStr;

use crate::Options;

/// What a request was recognised as; the label `route` of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/{vendor}/{version}`.
    Vendor,
    /// `/i` and `/ice.png`.
    Pixel,
    /// `/r/{version}`.
    Redirect,
    /// `/robots.txt`.
    Robots,
    /// `/crossdomain.xml`.
    Crossdomain,
    /// `/`.
    Root,
    /// `/health`, on a port of the collector's own.
    Alive,
    /// `/sink-health`.
    Health,
    /// `/micro/{all,good,bad,reset}`.
    Micro,
}

/// What a path was recognised as.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) route: Route,
    recorded: Recorded,
}

/// The path of the record.
#[derive(Clone, Copy)]
enum Recorded {
    /// That of the request without its first bytes.
    After(usize),
    /// The target of this entry of [`Options::paths`].
    Mapped(usize),
}

/// A path of one's own that stands for another one: `/com.acme/track=/com.snowplowanalytics.snowplow/tp2`. What is
/// recorded is the second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMapping {
    from: String,
    to: String,
}

impl FromStr for PathMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected two paths of two segments each, such as \
                 /com.acme/track=/com.snowplowanalytics.snowplow/tp2, but it is '{text}'"
            )
        };
        let (from, to) = text.split_once('=').ok_or_else(expected)?;
        let (from, to) = (from.trim(), to.trim());
        let target = matches!(to, "/i" | "/ice.png") || segments(to).is_some();
        if segments(from).is_none() || !target {
            return Err(expected());
        }
        Ok(Self { from: from.to_owned(), to: to.to_owned() })
    }
}

impl Place {
    /// Where a path leads when it is the collector's. With `alone` the port is the collector's own.
    pub(crate) fn find(options: &Options, path: &str, alone: bool) -> Option<Self> {
        let rest = path.strip_prefix("/api").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if let Some(index) = options.paths.iter().position(|mapping| mapping.from == rest) {
            let route = recognise_target(&options.paths[index].to);
            // A redirect stays off until its domains are named, whatever its path is.
            let off = route == Route::Redirect && options.redirect_domains.is_empty();
            return (!off).then_some(Self { route, recorded: Recorded::Mapped(index) });
        }
        let route = match rest {
            "/" if rest.len() == path.len() && options.root.is_some() => Route::Root,
            "/health" if alone => Route::Alive,
            _ => recognise(options, rest)?,
        };
        Some(Self { route, recorded: Recorded::After(path.len() - rest.len()) })
    }

    /// The path as it is recorded.
    pub(crate) fn recorded<'a>(&self, options: &'a Options, path: &'a str) -> &'a str {
        match self.recorded {
            Recorded::After(prefix) => &path[prefix..],
            Recorded::Mapped(index) => &options.paths[index].to,
        }
    }
}

fn recognise(options: &Options, path: &str) -> Option<Route> {
    match path {
        "/i" | "/ice.png" => return Some(Route::Pixel),
        "/robots.txt" => return Some(Route::Robots),
        "/sink-health" => return Some(Route::Health),
        "/crossdomain.xml" => return (!options.crossdomain.is_empty()).then_some(Route::Crossdomain),
        _ => {}
    }
    let (vendor, version) = segments(path)?;
    match vendor {
        "r" if !options.redirect_domains.is_empty() => return Some(Route::Redirect),
        "micro" if options.micro_events_max > 0 => {
            return matches!(version, "all" | "good" | "bad" | "reset").then_some(Route::Micro);
        }
        _ => {}
    }
    // A dot at either end is no vendor: `/.well-known/x`, `/../x`.
    let dotted = vendor.contains('.') && !vendor.starts_with('.') && !vendor.ends_with('.');
    (dotted || options.vendors.iter().any(|known| known == vendor)).then_some(Route::Vendor)
}

/// The route of a path that somebody mapped something to, so it needs no dot.
fn recognise_target(path: &str) -> Route {
    match segments(path) {
        None => Route::Pixel,
        Some(("r", _)) => Route::Redirect,
        Some(_) => Route::Vendor,
    }
}

/// The two segments of a path that has exactly two. A version that means a folder is none.
pub(crate) fn segments(path: &str) -> Option<(&str, &str)> {
    let (vendor, version) = path.strip_prefix('/')?.split_once('/')?;
    let folder = version.is_empty() || version.contains('/') || matches!(version, "." | "..");
    (!vendor.is_empty() && !folder).then_some((vendor, version))
}
