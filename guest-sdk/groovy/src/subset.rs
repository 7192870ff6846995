//! What of the language is understood, construct by construct: the table that the documentation is made of.
//!
//! Classes are listed in `class`, methods in `names`. Each row has an example, and the tests hold the table against the
//! parser: what is said to work compiles and runs, what is said to be refused is.

use crate::class::Builtin;
use crate::names::Method;

/// A construct of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Construct {
    /// What it is called.
    pub name: &'static str,
    /// A script that uses it.
    pub example: &'static str,
    /// What to write instead where it is refused; nothing where it works.
    pub instead: Option<&'static str>,
}

const fn works(name: &'static str, example: &'static str) -> Construct {
    Construct { name, example, instead: None }
}

const fn refused(name: &'static str, example: &'static str, instead: &'static str) -> Construct {
    Construct { name, example, instead: Some(instead) }
}

/// All constructs, those that are refused last.
pub const CONSTRUCTS: &[Construct] = &[
    works(
        "import, with alias, star and static",
        "import groovy.json.JsonSlurper as S\nimport static java.lang.Math.*\nnew S()\nmax(1, 2)",
    ),
    works("imports of unknown classes that are not used", "import a.b.C\n1"),
    works("comments", "// one\n/* two */ 3"),
    works(
        "variables: def, var, typed, final",
        "def a = 1\nvar b = 2\nfinal int c = 3\nList<String> d = []\na + b + c",
    ),
    works("variables of the binding", "x = 1\nx"),
    works("fields of the script", "@groovy.transform.Field def f = 1\ndef g() { f }\ng()"),
    works("several variables at once", "def (a, b) = [1, 2]\n(a, b) = [b, a]\na"),
    works(
        "integers: int, long, BigInteger; hexadecimal, octal, binary",
        "1 + 2L + 3G + 0xff + 017 + 0b11 + 1_000",
    ),
    works("decimals: BigDecimal, double, float", "1.5 + 2d + 3f + 1e3"),
    works(
        "texts in single, double, triple quotes and between slashes",
        "'a' + \"b\" + '''c''' + \"\"\"d\"\"\" + /e/ + $/f/$",
    ),
    works("texts with expressions", "def a = [b: 1]\n\"${a.b + 1} $a.b ${-> 3}\""),
    works("lists and maps", "[1, 2] + [*[3], 4]\n[a: 1, 'b c': 2, (1 + 1): 3, *: [d: 4]]"),
    works("ranges", "(1..5) + (1..<5) + ('a'..'e')"),
    works("arrays", "int[] a = [1, 2]\nnew int[3]\nnew String[]{'a'}\na.length"),
    works("arithmetic and power", "1 + 2 - 3 * 4 / 5 % 6 ** 2"),
    works("bit operators and shifts", "(1 & 2 | 3 ^ 4) << 1 >> 1 >>> 1"),
    works("comparison, order, identity", "1 == 1 && 1 != 2 && 1 <= 2 && (1 <=> 2) == -1 && null === null"),
    works("logic", "!(true && false) || true"),
    works("ternary and Elvis", "(true ? 1 : 2) ?: 3"),
    works("assignment with operators", "def a = 1\na += 2\na *= 3\na ?= 4\na++\n--a"),
    works("safe navigation", "def a = null\na?.b\na?.size()\na?[0]"),
    works("spread", "[[a: 1]]*.a\n['x']*.size()"),
    works("GPath over lists", "[[a: 1], [a: 2]].a"),
    works("property names that are texts", "def n = 'a'\n[a: 1].\"$n\""),
    works("membership", "1 in [1, 2] && 3 !in [1, 2]"),
    works(
        "types: instanceof, as, casts",
        "1 instanceof Integer && 'a' !instanceof Integer\n'1' as int\n(String) 1",
    ),
    works("regular expressions", "'a1' ==~ /\\w\\d/ && ('a1' =~ /\\d/).find() && ('x' ==~ ~/x/)"),
    works("closures", "def f = { a, b = 2 -> a + b }\nf(1) + [1].collect { it }.size()"),
    works(
        "lambdas and method references",
        "[1].collect(x -> x + 1)\n['a'].collect(String::toUpperCase)\n['a'].each(this.&println)",
    ),
    works("delegates: with and tap", "[1].with { size() }\n[:].tap { a = 1 }"),
    works("calls without parentheses", "println 'a'"),
    works("named arguments", "def f(Map m, x) { m.a + x }\nf(a: 1, 2)"),
    works("if and else", "if (true) { 1 } else if (false) { 2 } else { 3 }"),
    works(
        "switch, also as an expression",
        "switch (1) { case 0..2: 'a'; break; default: 'b' }\ndef x = switch (1) { case 1 -> 'a'; default -> 'b' }\nx",
    ),
    works(
        "loops",
        "for (x in [1]) { }\nfor (int i = 0; i < 2; i++) { }\nfor (String s : ['a']) { }\nwhile (false) { }\ndo { } while (false)",
    ),
    works("break and continue with labels", "outer: for (x in [1]) { for (y in [1]) { continue outer } }"),
    works(
        "exceptions",
        "try { throw new RuntimeException('a') } catch (IllegalStateException | RuntimeException e) { e.message } finally { }",
    ),
    works("assert", "assert 1 == 1 : 'message'"),
    works("methods of the script", "def f(int a, String... rest) { a + rest.length }\nf(1, 'x')"),
    works(
        "classes",
        "class A { int x; static int y = 1; A(int x) { this.x = x }; int twice() { x * 2 } }\nnew A(2).twice() + A.y",
    ),
    works(
        "inheritance, interfaces, traits",
        "interface I { int f() }\ntrait T { def g() { 1 } }\nclass A implements I, T { int f() { 1 } }\nclass B extends A { int f() { super.f() + 1 } }\nnew B().f()",
    ),
    works("enums", "enum E { A, B; int twice() { ordinal() * 2 } }\nE.B.twice()"),
    works("annotations of classes", "@groovy.transform.Canonical class A { int x }\nnew A(1).toString()"),
    refused("classes without a name", "def r = new Object() { }", "a class with a name, or a closure"),
    refused("records", "record R(int a) { }", "a class with properties"),
    refused("try with resources", "try (x = 1) { }", "`try`: a script has nothing to close"),
    refused("synchronized", "synchronized (this) { }", "nothing: a script runs alone"),
    refused("goto", "goto x", "loops with `break` and `continue`"),
    refused("classes inside of methods", "def f() { class A { } }", "a class at the top level"),
    refused("methods inside of methods", "def f() { def g() { } }", "`def g = { }`"),
    refused("blocks that initialise classes", "class A { { } }", "a constructor"),
    refused("bodies of constants of enums", "enum E { A { } }", "a `switch` in a method of the enum"),
    refused("other annotations", "@Grab('x') import a.B", "code that does the work"),
    refused("constructors as references", "[1].collect(Integer::new)", "`{ new Name(it) }`"),
    refused("classes of files, network, threads, processes", "new File('x')", "what is in the record"),
];

/// Names of the classes that scripts can use, with their packages.
pub fn classes() -> impl Iterator<Item = &'static str> {
    Builtin::ALL.iter().map(|class| class.full_name())
}

/// Names of the methods that values have, whichever values they are.
pub fn methods() -> impl Iterator<Item = &'static str> {
    Method::all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Host, Level, Limits, Script, SnowplowFields};

    struct Silent;

    impl Host for Silent {
        fn log(&mut self, _: Level, _: &str, _: &str) {}

        fn now_ms(&mut self) -> i64 {
            0
        }

        fn random_uuid(&mut self) -> String {
            String::new()
        }

        fn snowplow_deserialize(&mut self, _: &[u8]) -> Result<SnowplowFields, String> {
            Err(String::new())
        }
    }

    #[test]
    fn table_says_what_is_so() {
        let mut wrong = Vec::new();
        for Construct { name, example, instead } in CONSTRUCTS {
            match (Script::compile(example), instead) {
                (Ok((script, warnings)), None) => {
                    wrong.extend(warnings.iter().map(|warning| format!("{name}: {warning}")));
                    let answer = script.evaluate(b"", &mut Silent, Limits::default());
                    wrong.extend(answer.err().map(|failure| format!("{name}: {failure}")));
                }
                (Err(errors), None) => wrong.push(format!("{name}: {}", errors[0])),
                (Err(_), Some(_)) => {}
                (Ok(_), Some(_)) => wrong.push(format!("{name} is not refused")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(classes().count() > 100 && methods().count() > 500);
    }
}
