//! The OpenAPI document: what the annotations of the handlers can not say by themselves.

use utoipa::openapi::{
    Components, OpenApi, Ref, RefOr, Required, ResponseBuilder,
    content::ContentBuilder,
    path::{Operation, ParameterBuilder, ParameterIn, PathItem},
    schema::{ObjectBuilder, Type},
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

const TITLE: &str = "Granary";

/// Completes the document of the routes and adds those without a project, marked as deprecated.
pub(super) fn complete(mut document: OpenApi, mut legacy: OpenApi) -> OpenApi {
    for item in legacy.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.deprecated = Some(utoipa::openapi::Deprecated::True);
            let description =
                "Without a project: means the project global, except where it looks into all projects.";
            operation.description = Some(description.to_owned());
        }
    }
    document.merge(legacy);
    document.info.title = TITLE.to_owned();
    document.info.description =
        Some("Control plane, SQL reads and dead letters of a Granary engine.".to_owned());
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of the engine. The role that a route needs stands beside; a higher role includes the lower ones.",
    ));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    components.schemas.insert("Error".to_owned(), RefOr::T(error_schema().into()));
    for (path, item) in &mut document.paths.paths {
        let in_project = path.contains("{project}");
        let words: String = path
            .split(['/', '-'])
            .filter(|word| !word.is_empty())
            .map(|word| format!("_{}", word.trim_matches(['{', '}'])))
            .collect();
        for (method, operation) in methods(item) {
            operation.operation_id = Some(format!("{method}{words}"));
            if in_project {
                let parameter = ParameterBuilder::new()
                    .name("project")
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .description(Some("Technical name of the project"))
                    .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                    .build();
                operation.parameters.get_or_insert_with(Vec::new).insert(0, RefOr::T(parameter));
            }
            add_refusals(operation);
        }
    }
    document
}

fn methods(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    methods(item).map(|(_, operation)| operation)
}

/// Every route can refuse in these ways, and all refusals look the same.
fn add_refusals(operation: &mut Operation) {
    for (status, description) in [
        ("400", "A parameter or field is bad; invalidParams names all of them"),
        ("401", "No token, or not a live one"),
        ("403", "The role is missing, or the project does not exist"),
        ("404", "A named object does not exist"),
        ("503", "The database is away"),
    ] {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
        let response =
            ResponseBuilder::new().description(description).content("application/json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    }
}

fn error_schema() -> utoipa::openapi::Object {
    let text =
        |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about.to_owned()));
    ObjectBuilder::new()
        .property(
            "timestamp",
            ObjectBuilder::new().schema_type(Type::Integer).description(Some("Milliseconds since the epoch")),
        )
        .property("type", text("Kind of refusal, such as bad_parameter_value"))
        .property("message", text("For people"))
        .property("details", text("uri=<path of the request>"))
        .property("traceId", text("Stands in the log of the engine, too"))
        .property(
            "invalidParams",
            utoipa::openapi::schema::ArrayBuilder::new().items(
                ObjectBuilder::new()
                    .property("name", text("Parameter or field"))
                    .property("reason", text("Why")),
            ),
        )
        .required("timestamp")
        .required("type")
        .required("message")
        .required("details")
        .build()
}
