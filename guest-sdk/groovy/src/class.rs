//! The classes that scripts can name.

use std::rc::Rc;

use crate::syntax::ClassDef;

macro_rules! classes {
    ($($variant:ident $name:literal $parent:ident,)*) => {
        /// A class of the language or of a library.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(clippy::upper_case_acronyms)]
        pub(crate) enum Builtin { $($variant,)* }

        impl Builtin {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name with its package.
            pub(crate) fn full_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The class above; that of `Object` is itself.
            pub(crate) fn parent(self) -> Self {
                match self { $(Self::$variant => Self::$parent,)* }
            }
        }
    };
}

classes! {
    Object "java.lang.Object" Object,
    // Values.
    Boolean "java.lang.Boolean" Object,
    Character "java.lang.Character" Object,
    Number "java.lang.Number" Object,
    Byte "java.lang.Byte" Number,
    Short "java.lang.Short" Number,
    Integer "java.lang.Integer" Number,
    Long "java.lang.Long" Number,
    Float "java.lang.Float" Number,
    Double "java.lang.Double" Number,
    BigInteger "java.math.BigInteger" Number,
    BigDecimal "java.math.BigDecimal" Number,
    CharSequence "java.lang.CharSequence" Object,
    String "java.lang.String" CharSequence,
    GString "groovy.lang.GString" CharSequence,
    StringBuilder "java.lang.StringBuilder" CharSequence,
    StringBuffer "java.lang.StringBuffer" CharSequence,
    StringWriter "java.io.StringWriter" Object,
    Comparable "java.lang.Comparable" Object,
    Iterable "java.lang.Iterable" Object,
    Iterator "java.util.Iterator" Object,
    Collection "java.util.Collection" Iterable,
    List "java.util.List" Collection,
    ArrayList "java.util.ArrayList" List,
    LinkedList "java.util.LinkedList" List,
    Set "java.util.Set" Collection,
    HashSet "java.util.HashSet" Set,
    LinkedHashSet "java.util.LinkedHashSet" Set,
    TreeSet "java.util.TreeSet" Set,
    SortedSet "java.util.SortedSet" Set,
    Queue "java.util.Queue" Collection,
    Deque "java.util.Deque" Queue,
    ArrayDeque "java.util.ArrayDeque" Deque,
    Stack "java.util.Stack" List,
    Map "java.util.Map" Object,
    HashMap "java.util.HashMap" Map,
    LinkedHashMap "java.util.LinkedHashMap" Map,
    TreeMap "java.util.TreeMap" Map,
    SortedMap "java.util.SortedMap" Map,
    ConcurrentHashMap "java.util.concurrent.ConcurrentHashMap" Map,
    Entry "java.util.Map$Entry" Object,
    Range "groovy.lang.Range" List,
    IntRange "groovy.lang.IntRange" Range,
    Closure "groovy.lang.Closure" Object,
    Script "groovy.lang.Script" Object,
    Binding "groovy.lang.Binding" Object,
    Class "java.lang.Class" Object,
    Pattern "java.util.regex.Pattern" Object,
    Matcher "java.util.regex.Matcher" Object,
    UUID "java.util.UUID" Object,
    Comparator "java.util.Comparator" Object,
    Runnable "java.lang.Runnable" Object,
    Callable "java.util.concurrent.Callable" Object,
    Function "java.util.function.Function" Object,
    BiFunction "java.util.function.BiFunction" Object,
    UnaryOperator "java.util.function.UnaryOperator" Function,
    BinaryOperator "java.util.function.BinaryOperator" BiFunction,
    Predicate "java.util.function.Predicate" Object,
    BiPredicate "java.util.function.BiPredicate" Object,
    Supplier "java.util.function.Supplier" Object,
    Consumer "java.util.function.Consumer" Object,
    BiConsumer "java.util.function.BiConsumer" Object,
    Void "java.lang.Void" Object,
    Enum "java.lang.Enum" Object,
    // Functions.
    Math "java.lang.Math" Object,
    System "java.lang.System" Object,
    Objects "java.util.Objects" Object,
    Collections "java.util.Collections" Object,
    Arrays "java.util.Arrays" Object,
    Base64 "java.util.Base64" Object,
    Locale "java.util.Locale" Object,
    MessageDigest "java.security.MessageDigest" Object,
    StandardCharsets "java.nio.charset.StandardCharsets" Object,
    Charset "java.nio.charset.Charset" Object,
    UrlEncoder "java.net.URLEncoder" Object,
    UrlDecoder "java.net.URLDecoder" Object,
    RoundingMode "java.math.RoundingMode" Enum,
    MathContext "java.math.MathContext" Object,
    // Time.
    Date "java.util.Date" Object,
    TimeZone "java.util.TimeZone" Object,
    Calendar "java.util.Calendar" Object,
    GregorianCalendar "java.util.GregorianCalendar" Calendar,
    SimpleDateFormat "java.text.SimpleDateFormat" Object,
    DecimalFormat "java.text.DecimalFormat" Object,
    Instant "java.time.Instant" Object,
    LocalDate "java.time.LocalDate" Object,
    LocalTime "java.time.LocalTime" Object,
    LocalDateTime "java.time.LocalDateTime" Object,
    ZonedDateTime "java.time.ZonedDateTime" Object,
    OffsetDateTime "java.time.OffsetDateTime" Object,
    Duration "java.time.Duration" Object,
    Period "java.time.Period" Object,
    ZoneId "java.time.ZoneId" Object,
    ZoneOffset "java.time.ZoneOffset" ZoneId,
    DateTimeFormatter "java.time.format.DateTimeFormatter" Object,
    ChronoUnit "java.time.temporal.ChronoUnit" Enum,
    DayOfWeek "java.time.DayOfWeek" Enum,
    Month "java.time.Month" Enum,
    // Libraries.
    JsonSlurper "groovy.json.JsonSlurper" Object,
    JsonSlurperClassic "groovy.json.JsonSlurperClassic" Object,
    JsonOutput "groovy.json.JsonOutput" Object,
    JsonBuilder "groovy.json.JsonBuilder" Object,
    ObjectMapper "com.fasterxml.jackson.databind.ObjectMapper" Object,
    JsonNode "com.fasterxml.jackson.databind.JsonNode" Object,
    ObjectNode "com.fasterxml.jackson.databind.node.ObjectNode" JsonNode,
    ArrayNode "com.fasterxml.jackson.databind.node.ArrayNode" JsonNode,
    TypeReference "com.fasterxml.jackson.core.type.TypeReference" Object,
    Logger "java.util.logging.Logger" Object,
    Level "java.util.logging.Level" Object,
    DeletionEvent "io.grnry.scdfapps.scriptable.DeletionEvent" Object,
    SnowplowSerDe "io.grnry.scdfapps.scriptable.snowplow.SnowplowSerDe" Object,
    SnowplowCollectorPayload "io.grnry.scdfapps.scriptable.snowplow.SnowplowCollectorPayload" Object,
    SnowplowPayloadExtractor "io.grnry.scdfapps.scriptable.snowplow.SnowplowPayloadExtractor" Object,
    // Exceptions.
    Throwable "java.lang.Throwable" Object,
    Error "java.lang.Error" Throwable,
    AssertionError "java.lang.AssertionError" Error,
    PowerAssertionError "org.codehaus.groovy.runtime.powerassert.PowerAssertionError" AssertionError,
    Exception "java.lang.Exception" Throwable,
    ClassNotFoundException "java.lang.ClassNotFoundException" Exception,
    CloneNotSupportedException "java.lang.CloneNotSupportedException" Exception,
    InterruptedException "java.lang.InterruptedException" Exception,
    NoSuchFieldException "java.lang.NoSuchFieldException" Exception,
    TimeoutException "java.util.concurrent.TimeoutException" Exception,
    ParseException "java.text.ParseException" Exception,
    UriSyntaxException "java.net.URISyntaxException" Exception,
    TException "org.apache.thrift.TException" Exception,
    IOException "java.io.IOException" Exception,
    UnsupportedEncodingException "java.io.UnsupportedEncodingException" IOException,
    JsonProcessingException "com.fasterxml.jackson.core.JsonProcessingException" IOException,
    JsonParseException "com.fasterxml.jackson.core.JsonParseException" JsonProcessingException,
    MismatchedInputException "com.fasterxml.jackson.databind.exc.MismatchedInputException" JsonProcessingException,
    RuntimeException "java.lang.RuntimeException" Exception,
    ArithmeticException "java.lang.ArithmeticException" RuntimeException,
    ClassCastException "java.lang.ClassCastException" RuntimeException,
    GroovyCastException "org.codehaus.groovy.runtime.typehandling.GroovyCastException" ClassCastException,
    ConcurrentModificationException "java.util.ConcurrentModificationException" RuntimeException,
    DateTimeException "java.time.DateTimeException" RuntimeException,
    DateTimeParseException "java.time.format.DateTimeParseException" DateTimeException,
    GroovyRuntimeException "groovy.lang.GroovyRuntimeException" RuntimeException,
    MissingPropertyException "groovy.lang.MissingPropertyException" GroovyRuntimeException,
    MissingMethodException "groovy.lang.MissingMethodException" GroovyRuntimeException,
    ReadOnlyPropertyException "groovy.lang.ReadOnlyPropertyException" MissingPropertyException,
    IllegalArgumentException "java.lang.IllegalArgumentException" RuntimeException,
    NumberFormatException "java.lang.NumberFormatException" IllegalArgumentException,
    PatternSyntaxException "java.util.regex.PatternSyntaxException" IllegalArgumentException,
    IllegalStateException "java.lang.IllegalStateException" RuntimeException,
    IndexOutOfBoundsException "java.lang.IndexOutOfBoundsException" RuntimeException,
    ArrayIndexOutOfBoundsException "java.lang.ArrayIndexOutOfBoundsException" IndexOutOfBoundsException,
    StringIndexOutOfBoundsException "java.lang.StringIndexOutOfBoundsException" IndexOutOfBoundsException,
    JsonException "groovy.json.JsonException" RuntimeException,
    NegativeArraySizeException "java.lang.NegativeArraySizeException" RuntimeException,
    NoSuchElementException "java.util.NoSuchElementException" RuntimeException,
    NullPointerException "java.lang.NullPointerException" RuntimeException,
    SecurityException "java.lang.SecurityException" RuntimeException,
    UncheckedIOException "java.io.UncheckedIOException" RuntimeException,
    UnsupportedOperationException "java.lang.UnsupportedOperationException" RuntimeException,
}

impl Builtin {
    /// The name without its package.
    pub(crate) fn simple_name(self) -> &'static str {
        let name = self.full_name();
        name.rsplit(['.', '$']).next().unwrap_or(name)
    }

    /// The class of a name, with or without package; primitive types are their boxes.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let primitive = match name {
            "int" => Self::Integer,
            "long" => Self::Long,
            "double" => Self::Double,
            "float" => Self::Float,
            "boolean" => Self::Boolean,
            "char" => Self::Character,
            "byte" => Self::Byte,
            "short" => Self::Short,
            "void" => Self::Void,
            "Map.Entry" | "java.util.Map.Entry" => Self::Entry,
            // Found beside the right one in scripts that move between versions of the libraries.
            "java.sql.Timestamp" => Self::Date,
            "java.util.logging.LogManager"
            | "org.slf4j.Logger"
            | "org.slf4j.LoggerFactory"
            | "LoggerFactory" => Self::Logger,
            _ => {
                let qualified = name.contains('.');
                return Self::ALL.iter().copied().find(|class| {
                    if qualified { class.full_name() == name } else { class.simple_name() == name }
                });
            }
        };
        Some(primitive)
    }

    /// Whether it is an interface with one method, for which a closure can stand.
    pub(crate) fn is_functional(self) -> bool {
        matches!(self, Self::Comparator | Self::Runnable | Self::Callable)
            || self.full_name().starts_with("java.util.function")
    }

    /// Whether it is that class or one below it.
    pub(crate) fn is(self, above: Self) -> bool {
        let mut class = self;
        loop {
            if class == above {
                return true;
            }
            if class == Self::Object {
                return false;
            }
            class = class.parent();
        }
    }
}

/// A class as a value.
#[derive(Debug, Clone)]
pub(crate) enum Class {
    /// One of the language or a library.
    Builtin(Builtin),
    /// One that the script defines.
    Script(Rc<ClassDef>),
}

impl Class {
    /// The name with its package; that of a script's class has none.
    pub(crate) fn full_name(&self) -> &str {
        match self {
            Self::Builtin(class) => class.full_name(),
            Self::Script(class) => &class.name,
        }
    }

    /// The name without its package.
    pub(crate) fn simple_name(&self) -> &str {
        match self {
            Self::Builtin(class) => class.simple_name(),
            Self::Script(class) => &class.name,
        }
    }

    /// Whether it is that class or one below it.
    pub(crate) fn is(&self, above: &Self) -> bool {
        match (self, above) {
            (Self::Builtin(class), Self::Builtin(above)) => class.is(*above),
            (Self::Builtin(_), Self::Script(_)) => false,
            (Self::Script(class), _) => class.is(above),
        }
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Builtin(one), Self::Builtin(other)) => one == other,
            (Self::Script(one), Self::Script(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Builtin::named("int"), Some(Builtin::Integer));
        assert_eq!(Builtin::named("groovy.json.JsonSlurper"), Some(Builtin::JsonSlurper));
        assert_eq!(Builtin::named("other.JsonSlurper"), None);
        assert_eq!(Builtin::named("Map.Entry"), Some(Builtin::Entry));
        assert_eq!(Builtin::UrlEncoder.simple_name(), "URLEncoder");
    }

    #[test]
    fn hierarchy() {
        assert!(Builtin::NumberFormatException.is(Builtin::Exception));
        assert!(!Builtin::AssertionError.is(Builtin::Exception));
        assert!(Builtin::Integer.is(Builtin::Object));
    }
}
