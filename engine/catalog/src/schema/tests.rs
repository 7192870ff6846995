//! Every rule of the schema, a row each.

use serde_json::{Value, json};

use super::*;

const WALKTHROUGH: &str = r#"{
    "type": "object",
    "title": "The root schema",
    "description": "This is a sample json for testing the live segment.",
    "required": ["id", "firstName", "lastName"],
    "properties": {
        "id": {"type": "string"},
        "firstName": {"type": "string", "default": "325"},
        "lastName": {"type": "string", "default": "325"}
    },
    "additionalProperties": true
}"#;

fn schema(properties: Value) -> LiveSegmentSchema {
    try_schema(properties).expect("the schema is valid")
}

fn try_schema(mut properties: Value) -> Result<LiveSegmentSchema, SchemaError> {
    if let Value::Object(map) = &mut properties
        && !map.contains_key("id")
    {
        map.insert("id".to_owned(), json!({"type": "string"}));
    }
    LiveSegmentSchema::parse(&json!({"type": "object", "properties": properties}).to_string())
}

/// The cell of property `x` of that schema for the record `{"id": "1", "x": value}`.
fn cell_of(property: Value, value: Value) -> Result<Cell, Mismatch> {
    let schema = schema(json!({"x": property}));
    let record = json!({"x": value, "id": "1"});
    schema.validate(&record)?;
    let row = schema.row(record.as_object().unwrap())?;
    Ok(row.cells[0].clone())
}

#[test]
fn the_schema_of_the_walkthrough_makes_its_table() {
    let schema = LiveSegmentSchema::parse(WALKTHROUGH).unwrap();
    let columns: Vec<_> =
        schema.columns().iter().map(|c| (c.name.as_str(), c.kind, c.nullable, c.default.clone())).collect();
    assert_eq!(
        columns,
        [
            ("id", Kind::Text, false, None),
            ("firstName", Kind::Text, false, Some(json!("325"))),
            ("lastName", Kind::Text, false, Some(json!("325"))),
        ]
    );
    assert_eq!(schema.warnings(), [""; 0]);

    let record = json!({"id": "a", "lastName": "Peterson", "not": "declared"});
    schema.validate(&record).unwrap();
    let row = schema.row(record.as_object().unwrap()).unwrap();
    let text = |text: &str| Cell::Text(text.to_owned());
    assert_eq!(row, Row { cells: vec![text("a"), text("325"), text("Peterson")], extra: 1 });
}

#[test]
fn an_integer_id_is_accepted_with_a_warning_and_a_text_id_then_mismatches() {
    let schema = LiveSegmentSchema::parse(
        &WALKTHROUGH.replace(r#""id": {"type": "string"}"#, r#""id": {"type": "integer"}"#),
    );
    let schema = schema.unwrap();
    assert_eq!(schema.columns()[0].kind, Kind::Bigint);
    let [warning] = schema.warnings() else { panic!("one warning: {:?}", schema.warnings()) };
    assert!(warning.contains("str(correlation_id)") && warning.contains("integer"), "{warning}");

    let record = json!({"id": "5b2e", "firstName": "A", "lastName": "P"});
    let mismatch = schema.validate(&record).unwrap_err();
    assert_eq!(mismatch.field, "id");
    assert_eq!(mismatch.expected, "integer");
    assert_eq!(mismatch.actual, "the string \"5b2e\"");
    assert_eq!(mismatch.message, "property 'id' must be integer, but the record has the string \"5b2e\"");
}

#[test]
fn types_become_columns() {
    for (property, kind, nullable) in [
        (json!({"type": "string"}), Kind::Text, false),
        (json!({"type": "integer"}), Kind::Bigint, false),
        (json!({"type": "number"}), Kind::Double, false),
        (json!({"type": "boolean"}), Kind::Boolean, false),
        (json!({"type": "object"}), Kind::Jsonb, false),
        (json!({"type": "array", "items": {"type": "string"}}), Kind::Jsonb, false),
        (json!({"type": ["string", "null"]}), Kind::Text, true),
        (json!({"type": ["null", "integer"]}), Kind::Bigint, true),
        (json!({"type": ["number", "null"]}), Kind::Double, true),
        (json!({"type": ["boolean", "null"]}), Kind::Boolean, true),
        (json!({"type": ["object", "null"]}), Kind::Jsonb, true),
        (json!({"type": ["string", "integer"]}), Kind::Jsonb, false),
        (json!({"type": ["integer", "number"]}), Kind::Double, false),
        (json!({"type": ["string"]}), Kind::Text, false),
        (json!({"type": "null"}), Kind::Jsonb, true),
        (json!({"type": "string", "format": "date-time"}), Kind::Text, false),
        (json!({"enum": ["red", "green"]}), Kind::Text, false),
        (json!({"type": "string", "enum": ["red"]}), Kind::Text, false),
        (json!({"enum": [1, 2, null]}), Kind::Bigint, true),
        (json!({"enum": [1, 2.5]}), Kind::Double, false),
        (json!({"const": true}), Kind::Boolean, false),
        (json!({}), Kind::Jsonb, true),
        (json!(true), Kind::Jsonb, true),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), Kind::Text, true),
        (json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}), Kind::Jsonb, false),
        (
            json!({"allOf": [{"type": ["integer", "string"]}, {"type": ["integer", "null"]}]}),
            Kind::Bigint,
            false,
        ),
        (json!({"$ref": "#/properties/id"}), Kind::Text, false),
    ] {
        let schema = schema(json!({"x": property}));
        let column = &schema.columns()[0];
        assert_eq!((column.kind, column.nullable), (kind, nullable), "{property}");
    }
}

#[test]
fn refused_schemas_name_the_place() {
    let long = "x".repeat(64);
    let umlauts = "ä".repeat(32);
    for (text, (line, column), says) in [
        ("", (1, 1), "not valid JSON"),
        ("{\n  \"type\": object\n}", (2, 11), "not valid JSON: expected value"),
        ("{\"é\": \"é\" \"\"}", (1, 11), "not valid JSON"),
        ("[]", (1, 1), "must be a JSON object"),
        ("true", (1, 1), "must be a JSON object"),
        ("{\"properties\": {\"id\": {\"type\": \"string\"}}}", (1, 1), "no \"type\""),
        ("{\n \"type\": \"array\"}", (2, 2), "must be \"object\", but it is \"array\""),
        ("{\"type\": [\"object\", \"null\"]}", (1, 2), "must be \"object\""),
        ("{\"type\": \"object\"}", (1, 1), "needs \"properties\""),
        ("{\"type\": \"object\", \"properties\": []}", (1, 20), "needs \"properties\""),
        (
            "{\"type\": \"object\",\n \"properties\": {\"ID\": {\"type\": \"string\"}}}",
            (2, 2),
            "no property 'id'",
        ),
        (
            "{\"type\": \"object\", \"default\": {},\n \"properties\": {\"id\": {\"type\": \"string\"}}}",
            (1, 20),
            "default at the root",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"boolean\"}}}",
            (1, 35),
            "'id' must be of type string",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": [\"string\", \"null\"]}}}",
            (1, 35),
            "string or null",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"number\"}}}",
            (1, 35),
            "'id' must be of type string",
        ),
        ("{\"type\": \"object\", \"properties\": {\"id\": {}}}", (1, 35), "'id' must be of type string"),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n\"a\": {\"type\": \"string\"}, \"a\": {}}}",
            (2, 26),
            "more than once",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"}},\n \"properties\": {}}",
            (2, 2),
            "'properties' more than once",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"ctid\": {}}}",
            (2, 2),
            "system column 'ctid'",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"\": {}}}",
            (2, 2),
            "empty name",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"a\\u0000\": {}}}",
            (2, 2),
            "NUL",
        ),
        (
            &format!(
                "{{\"type\": \"object\", \"properties\": {{\"id\": {{\"type\": \"string\"}},\n \"{long}\": {{}}}}}}"
            ),
            (2, 2),
            "64 bytes long",
        ),
        (
            &format!(
                "{{\"type\": \"object\", \"properties\": {{\"id\": {{\"type\": \"string\"}},\n \"{umlauts}\": {{}}}}}}"
            ),
            (2, 2),
            "64 bytes long",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"type\": \"integer\", \"default\": \"5\"}}}",
            (2, 27),
            "must be integer, but it is \"5\"",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"type\": \"string\", \"default\": null}}}",
            (2, 26),
            "must be string, but it is null",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"type\": \"string\", \"default\": \"\\u0000\"}}}",
            (2, 26),
            "NUL",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": false}}",
            (2, 2),
            "no value can ever be valid",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"type\": \"text\"}}}",
            (2, 8),
            "the type \"text\" is not one of string",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"minLength\": -1}}}",
            (2, 8),
            "not valid",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"}},\n \"required\": \"id\"}",
            (2, 2),
            "not valid",
        ),
        (
            "{\"type\": \"object\", \"additionalProperties\": 5, \"properties\": {\"id\": {\"type\": \"string\"}}}",
            (1, 20),
            "not valid",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"$ref\": \"http://example.org/a.json\"}}}",
            (2, 8),
            "http://example.org/a.json, which is outside of it",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"$ref\": \"file:///etc/passwd\"}}}",
            (2, 8),
            "never fetched",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"$ref\": \"#/definitions/a\"}}}",
            (2, 8),
            "'#/definitions/a', which it does not have",
        ),
        (
            "{\"$schema\": \"http://example.org/meta\", \"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"}}}",
            (1, 2),
            "http://example.org/meta",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"pattern\": \"(?=a)b\"}}}",
            (2, 8),
            "look-around",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"pattern\": \"(\"}}}",
            (2, 8),
            "pattern",
        ),
        (
            "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"string\"},\n \"x\": {\"pattern\": \"((a{1000}){1000}){1000}\"}}}",
            (2, 8),
            "pattern",
        ),
    ] {
        let error = LiveSegmentSchema::parse(text).expect_err(text);
        assert!(error.message.contains(says), "{text}\nsays {error}\nand not {says}");
        assert_eq!((error.line, error.column), (line, column), "{text}\n{error}");
    }
}

#[test]
fn too_many_properties_and_too_long_texts_are_refused() {
    let many: Map<String, Value> =
        (0..COLUMNS_MAX).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
    let error = try_schema(Value::Object(many)).unwrap_err();
    assert!(error.message.contains("401 properties"), "{error}");

    let error = LiveSegmentSchema::parse(&" ".repeat(SCHEMA_BYTES_MAX + 1)).unwrap_err();
    assert!(error.message.contains("bytes long"), "{error}");
}

#[test]
fn deeply_nested_and_doubling_schemas_end_soon() {
    assert!(LiveSegmentSchema::parse(&"[".repeat(200_000)).is_err());
    let deep = format!("{}{{}}{}", "{\"not\":".repeat(100), "}".repeat(100));
    assert!(try_schema(json!({"x": serde_json::from_str::<Value>(&deep).unwrap()})).is_ok());

    let mut definitions = Map::new();
    for n in 0..60 {
        let next = json!({"$ref": format!("#/definitions/d{}", n + 1)});
        definitions.insert(format!("d{n}"), json!({"anyOf": [next, next]}));
    }
    definitions.insert("d60".to_owned(), json!({"type": "string"}));
    let text = json!({
        "type": "object", "definitions": definitions,
        "properties": {"id": {"type": "string"}, "x": {"$ref": "#/definitions/d0"}}
    });
    let error = LiveSegmentSchema::parse(&text.to_string()).unwrap_err();
    assert!(error.message.contains("'x' multiply"), "{error}");
}

#[test]
fn circular_references_are_harmless() {
    let text = json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "x": {"$ref": "#/properties/x"},
            "tree": {"type": "object", "properties": {"left": {"$ref": "#/properties/tree"}}}
        }
    });
    let schema = LiveSegmentSchema::parse(&text.to_string()).unwrap();
    assert_eq!(schema.columns()[1].kind, Kind::Jsonb);
    schema.validate(&json!({"id": "1", "x": 1, "tree": {"left": {"left": {}}}})).unwrap();
    let mismatch = schema.validate(&json!({"id": "1", "tree": {"left": {"left": 5}}})).unwrap_err();
    assert_eq!(mismatch.field, "tree.left.left");
}

#[test]
fn values_become_cells() {
    let big = || serde_json::from_str::<Value>("123456789012345678901234567890.5").unwrap();
    for (property, value, cell) in [
        (json!({"type": "string"}), json!("ü \u{1F600} '\"\\;--"), Cell::Text("ü \u{1F600} '\"\\;--".into())),
        (json!({"type": "string"}), json!(""), Cell::Text(String::new())),
        (json!({"type": "string", "format": "date-time"}), json!("no date"), Cell::Text("no date".into())),
        (json!({"type": "integer"}), json!(i64::MAX), Cell::Bigint(i64::MAX)),
        (json!({"type": "integer"}), json!(i64::MIN), Cell::Bigint(i64::MIN)),
        (json!({"type": "integer"}), serde_json::from_str("5.0").unwrap(), Cell::Bigint(5)),
        (json!({"type": "number"}), json!(0.1), Cell::Double(0.1)),
        (json!({"type": "number"}), json!(3), Cell::Double(3.0)),
        (json!({"type": "boolean"}), json!(false), Cell::Boolean(false)),
        (
            json!({"type": "object"}),
            json!({"b": 1, "a": [null]}),
            Cell::Jsonb(r#"{"b":1,"a":[null]}"#.into()),
        ),
        (json!({"type": ["string", "integer"]}), json!("x"), Cell::Jsonb("\"x\"".into())),
        (json!({}), big(), Cell::Jsonb("123456789012345678901234567890.5".into())),
        (json!({}), Value::Null, Cell::Null),
        (json!({"type": ["string", "null"]}), Value::Null, Cell::Null),
        (json!({"type": ["string", "null"], "default": "d"}), Value::Null, Cell::Null),
    ] {
        assert_eq!(cell_of(property.clone(), value.clone()), Ok(cell), "{property} {value}");
    }
}

#[test]
fn values_that_do_not_fit_say_why() {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for (property, value, says) in [
        (json!({"type": "integer"}), json!("5"), "must be integer, but the record has the string \"5\""),
        (json!({"type": "integer"}), json!(5.5), "must be integer, but the record has the number 5.5"),
        (
            json!({"type": "integer"}),
            number("9223372036854775808"),
            "9223372036854775808, which is not between",
        ),
        (json!({"type": "integer"}), number("123456789012345678901234567890"), "which is not between"),
        (json!({"type": "string"}), json!(5), "must be string, but the record has the number 5"),
        (json!({"type": "string"}), Value::Null, "must be string, but the record has null"),
        (json!({"type": "string", "default": "d"}), Value::Null, "must be string, but the record has null"),
        (json!({"type": "string"}), json!("a\0b"), "NUL character (\\u0000), which Postgres cannot store"),
        (json!({"type": "object"}), json!({"a": [{"b": "\0"}]}), "NUL character"),
        (json!({"type": "object"}), json!({"a\0": 1}), "NUL character"),
        (json!({"type": "boolean"}), json!("true"), "must be boolean"),
        (json!({"type": "number"}), number("1e400"), "too large"),
        (json!({"type": "string", "maxLength": 2}), json!("abc"), "text of at most 2 characters"),
        (json!({"type": "integer", "minimum": 3}), json!(2), "at least 3"),
        (json!({"enum": ["a", "b"]}), json!("c"), "one of [\"a\",\"b\"]"),
        (json!({"type": "string", "pattern": "^a+$"}), json!("b"), "text that matches ^a+$"),
        (json!({"type": ["string", "null"]}), json!(1), "string"),
        (
            json!({"type": "array", "items": {"type": "integer"}}),
            json!([1, "b"]),
            "property 'x[1]' must be integer",
        ),
        (
            json!({"type": "object", "properties": {"y": {}}, "additionalProperties": false}),
            json!({"z": 1}),
            "valid by 'additionalProperties'",
        ),
        (json!({"type": "object", "required": ["y"]}), json!({}), "no property 'x.y', which is required"),
    ] {
        let mismatch = cell_of(property.clone(), value.clone()).expect_err(&property.to_string());
        assert!(mismatch.message.contains(says), "{property} {value}: {}", mismatch.message);
        assert!(mismatch.field.starts_with('x'), "{mismatch:?}");
    }
}

#[test]
fn long_values_are_cut_in_messages() {
    let mismatch = cell_of(json!({"type": "integer"}), json!("ä".repeat(10_000))).unwrap_err();
    assert!(mismatch.message.len() < 300, "{}", mismatch.message.len());
}

#[test]
fn records_that_are_no_objects_mismatch() {
    let schema = schema(json!({}));
    for record in [json!([]), json!("text"), Value::Null] {
        let mismatch = schema.validate(&record).unwrap_err();
        assert_eq!((mismatch.field.as_str(), mismatch.expected.as_str()), ("", "object"));
    }
}

#[test]
fn missing_properties_get_their_default_or_null_or_fail() {
    let schema = LiveSegmentSchema::parse(
        r#"{"type": "object", "required": ["id", "filled", "wanted"], "properties": {
            "id": {"type": "string"}, "filled": {"type": "integer", "default": 7},
            "maybe": {"type": ["string", "null"]}, "nullDefault": {"type": ["string", "null"], "default": null},
            "wanted": {"type": ["string", "null"]}, "unlisted": {"type": "boolean"},
            "tree": {"type": "object", "default": {"a": 1}}}}"#,
    )
    .unwrap();
    let full = json!({"id": "1", "wanted": null, "unlisted": true});
    schema.validate(&full).unwrap();
    let cells = schema.row(full.as_object().unwrap()).unwrap().cells;
    let expected = [
        Cell::Text("1".into()),
        Cell::Bigint(7),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Boolean(true),
        Cell::Jsonb("{\"a\":1}".into()),
    ];
    assert_eq!(cells, expected);

    // Required by the schema, although it may be null.
    let mismatch = schema.validate(&json!({"id": "1", "unlisted": true})).unwrap_err();
    assert_eq!(mismatch.message, "the record has no property 'wanted', which is required");
    // Not required by the schema, but the column can hold nothing else.
    let record = json!({"id": "1", "wanted": "x"});
    schema.validate(&record).unwrap();
    let mismatch = schema.row(record.as_object().unwrap()).unwrap_err();
    assert_eq!((mismatch.field.as_str(), mismatch.actual.as_str()), ("unlisted", "nothing"));
}

#[test]
fn a_record_needs_an_id_that_identifies() {
    let schema = schema(json!({"id": {"type": "string", "default": "x"}}));
    assert!(schema.warnings()[0].contains("default of property 'id' is ignored"), "{:?}", schema.warnings());
    let missing = json!({});
    let mismatch = schema.validate(&missing).and_then(|()| schema.row(&Map::new()).map(drop)).unwrap_err();
    assert_eq!(mismatch.field, "id");
    let empty = json!({"id": ""});
    schema.validate(&empty).unwrap();
    let mismatch = schema.row(empty.as_object().unwrap()).unwrap_err();
    assert!(mismatch.message.contains("identifies nothing"), "{mismatch}");
}

#[test]
fn extra_properties_are_dropped_even_where_the_schema_forbids_them() {
    for additional in [json!(true), json!(false), json!({"type": "integer"})] {
        let text = json!({
            "type": "object", "properties": {"id": {"type": "string"}}, "additionalProperties": additional
        });
        let schema = LiveSegmentSchema::parse(&text.to_string()).unwrap();
        let record = json!({"id": "1", "a": "x", "b": {"c": "\0"}});
        schema.validate(&record).unwrap();
        let row = schema.row(record.as_object().unwrap()).unwrap();
        assert_eq!((row.cells.len(), row.extra), (1, 2));
    }
}

#[test]
fn hostile_property_names_stay_as_given() {
    let names = ["a\"b", "a;drop table x;--", "a'b", "ÄÖ ü", "select", "A", "a", "a.b", "$1", "\\", "\n"];
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    let schema = schema(Value::Object(properties));
    let columns: Vec<_> = schema.columns().iter().map(|c| c.name.as_str()).take(names.len()).collect();
    assert_eq!(columns, names);
}

#[test]
fn integers_are_exact_however_they_are_written() {
    use row::{NotInteger, exact_integer};
    for (text, expected) in [
        ("0", Ok(0)),
        ("-0", Ok(0)),
        ("-0.0", Ok(0)),
        ("0e999999999999999999999", Ok(0)),
        ("9007199254740993", Ok(9_007_199_254_740_993)),
        ("9223372036854775807.0", Ok(i64::MAX)),
        ("-9223372036854775808.00", Ok(i64::MIN)),
        ("1.5e1", Ok(15)),
        ("1200e-2", Ok(12)),
        ("1E3", Ok(1000)),
        ("1e18", Ok(1_000_000_000_000_000_000)),
        ("1e19", Err(NotInteger::TooLarge)),
        ("9223372036854775808", Err(NotInteger::TooLarge)),
        ("-9223372036854775809", Err(NotInteger::TooLarge)),
        ("1e99999999999999999999999", Err(NotInteger::TooLarge)),
        ("1e-99999999999999999999999", Err(NotInteger::Fraction)),
        ("1e9223372036854775807", Err(NotInteger::TooLarge)),
        ("1.5", Err(NotInteger::Fraction)),
        ("1e-1", Err(NotInteger::Fraction)),
        ("9223372036854775807.5", Err(NotInteger::Fraction)),
    ] {
        let number: serde_json::Number = serde_json::from_str(text).unwrap();
        assert_eq!(exact_integer(&number), expected, "{text}");
    }
}

mod evolution {
    use super::*;

    fn change(old: Value, new: Value) -> Result<Vec<TableChange>, Vec<String>> {
        schema(new).check_evolution(&schema(old))
    }

    #[test]
    fn accepted_changes_become_table_changes() {
        use TableChange::{AddColumn, DropNotNull, SetDefault, Widen};
        let nothing = json!({});
        let text = || json!({"x": {"type": "string"}});
        let nullable = || json!({"x": {"type": ["string", "null"]}});
        let defaulted = || json!({"x": {"type": "string", "default": "d"}});
        let column = |properties: Value| schema(properties).columns()[0].clone();
        let x = || "x".to_owned();
        for (old, new, expected) in [
            (text(), text(), vec![]),
            (text(), json!({"x": {"type": "string", "title": "t", "examples": ["e"]}}), vec![]),
            (nothing.clone(), nullable(), vec![AddColumn(column(nullable()))]),
            (nothing.clone(), defaulted(), vec![AddColumn(column(defaulted()))]),
            (text(), nothing.clone(), vec![DropNotNull(x())]),
            (nullable(), nothing.clone(), vec![]),
            (text(), nullable(), vec![DropNotNull(x())]),
            (json!({"x": {"type": "integer"}}), json!({"x": {"type": "number"}}), vec![Widen(x())]),
            (
                json!({"x": {"type": "integer"}}),
                json!({"x": {"type": ["number", "null"]}}),
                vec![Widen(x()), DropNotNull(x())],
            ),
            (text(), defaulted(), vec![SetDefault { column: column(defaulted()) }]),
            (json!({"x": {"type": "object"}}), json!({"x": {"type": ["object", "array"]}}), vec![]),
        ] {
            assert_eq!(change(old.clone(), new.clone()), Ok(expected), "{old} -> {new}");
        }
        let removed = change(defaulted(), nothing).unwrap();
        assert!(
            matches!(&removed[..], [DropNotNull(_), SetDefault { column }] if column.default.is_none()),
            "{removed:?}"
        );
    }

    #[test]
    fn refused_changes_say_why() {
        for (old, new, says) in [
            (json!({}), json!({"x": {"type": "string"}}), "'x' is new"),
            (json!({"x": {"type": ["string", "null"]}}), json!({"x": {"type": "string"}}), "allowed null"),
            (
                json!({"x": {"type": ["string", "null"]}}),
                json!({"x": {"type": "string", "default": ""}}),
                "allowed null",
            ),
            (
                json!({"x": {"type": "number"}}),
                json!({"x": {"type": "integer"}}),
                "was number and would become integer",
            ),
            (
                json!({"x": {"type": "string"}}),
                json!({"x": {"type": "integer"}}),
                "was string and would become integer",
            ),
            (
                json!({"x": {"type": "string"}}),
                json!({"x": {"type": ["string", "integer"]}}),
                "only integer may become",
            ),
            (
                json!({"x": {"type": ["object", "array"]}}),
                json!({"x": {"type": "object"}}),
                "would become object",
            ),
            (
                json!({"x": {"type": "string", "default": "d"}}),
                json!({"x": {"type": "string"}}),
                "lose its default",
            ),
            (
                json!({"id": {"type": "integer"}}),
                json!({"id": {"type": "string"}}),
                "the primary key keeps its type",
            ),
        ] {
            let reasons = change(old.clone(), new.clone()).expect_err(says);
            assert_eq!(reasons.len(), 1, "{reasons:?}");
            assert!(reasons[0].contains(says), "{old} -> {new}: {reasons:?}");
        }
    }

    #[test]
    fn all_reasons_come_at_once() {
        let reasons = change(
            json!({"a": {"type": "string"}, "b": {"type": "string"}}),
            json!({"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {"type": "string"}}),
        )
        .unwrap_err();
        assert_eq!(reasons.len(), 3, "{reasons:?}");
    }

    #[test]
    fn a_nullable_property_cannot_become_required() {
        let text = |required: Value| {
            let properties = json!({"id": {"type": "string"}, "x": {"type": ["string", "null"]}});
            let text = json!({"type": "object", "properties": properties, "required": required}).to_string();
            LiveSegmentSchema::parse(&text).unwrap()
        };
        let reasons = text(json!(["id", "x"])).check_evolution(&text(json!(["id"]))).unwrap_err();
        assert!(reasons[0].contains("would become required"), "{reasons:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in ".*") {
        let _ = LiveSegmentSchema::parse(&text);
    }

    #[test]
    fn numbers_never_panic(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,25})?") {
        let number: serde_json::Number = serde_json::from_str(&text).unwrap();
        if let Ok(integer) = row::exact_integer(&number) {
            let double = number.as_f64().unwrap();
            #[expect(clippy::cast_precision_loss, reason = "compared within that loss")]
            let near = (integer as f64 - double).abs() <= double.abs() * 1e-15;
            proptest::prop_assert!(near);
        }
    }
}
