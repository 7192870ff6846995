//! The attribute macros of `granary-sdk`, which re-exports them: use them from there.

use proc_macro::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, ReturnType, Type, parse_macro_input, spanned::Spanned as _};

/// What a belt's function may look like, for whoever wrote another one.
const SHAPES: &str = "a belt is `fn(event: Event) -> Result<Vec<Update>, BeltError>`, \
                      or for whole batches `fn(events: Vec<Event>) -> Vec<Result<Vec<Update>, BeltError>>`";

/// How the function takes its events.
enum Takes {
    Event,
    EventRef,
    Batch,
    BatchRef,
}

/// Makes a function the belt of this component. Once per crate.
///
/// The function gets one event, as `Event` or `&Event`, and answers `Result<Vec<Update>, BeltError>`; or a whole batch,
/// as `Vec<Event>` or `&[Event]`, and answers one such result per event, in order.
#[proc_macro_attribute]
pub fn belt(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        let arguments = proc_macro2::TokenStream::from(arguments);
        let error = syn::Error::new(arguments.span(), "#[granary::belt] takes no arguments");
        return error.to_compile_error().into();
    }
    let function = parse_macro_input!(item as ItemFn);
    expand(&function).unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote! { #function #error }
    }).into()
}

fn expand(function: &ItemFn) -> syn::Result<proc_macro2::TokenStream> {
    let takes = takes(function)?;
    let name = &function.sig.ident;
    let answer = match takes {
        Takes::Event => quote! { ::granary::belt::each(batch, #name) },
        Takes::EventRef => quote! { ::granary::belt::each(batch, |event| #name(&event)) },
        Takes::Batch => quote! { ::granary::belt::all(batch, #name) },
        Takes::BatchRef => quote! { ::granary::belt::all(batch, |events| #name(&events)) },
    };
    Ok(quote! {
        #function

        const _: () = {
            struct Component;

            impl ::granary::belt::bindings::Guest for Component {
                fn execute_framed(batch: ::std::vec::Vec<u8>) -> ::granary::belt::Answer {
                    #answer
                }
            }

            ::granary::belt::bindings::export_belt!(Component with_types_in ::granary::belt::bindings);
        };
    })
}

/// Looks at the signature: what is wrong is said here and not in the code that would come out.
fn takes(function: &ItemFn) -> syn::Result<Takes> {
    let signature = &function.sig;
    let refuse = |span, what: &str| Err(syn::Error::new(span, format!("{what}: {SHAPES}")));
    if let Some(keyword) = &signature.asyncness {
        return refuse(keyword.span(), "a belt cannot be async");
    }
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.span(), "a belt cannot be generic");
    }
    if matches!(signature.output, ReturnType::Default) {
        return refuse(signature.ident.span(), "a belt answers its updates");
    }
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(event)), None) = (inputs.next(), inputs.next()) else {
        return refuse(signature.ident.span(), "a belt takes one argument");
    };
    let (ty, is_reference) = match &*event.ty {
        Type::Reference(reference) => (&*reference.elem, true),
        other => (other, false),
    };
    match (ty, is_reference) {
        (Type::Slice(_), true) => Ok(Takes::BatchRef),
        (Type::Path(path), _) => match path.path.segments.last().map(|last| last.ident.to_string()) {
            Some(name) if name == "Vec" && !is_reference => Ok(Takes::Batch),
            Some(name) if name == "Vec" => refuse(event.ty.span(), "take a slice instead of a reference to a Vec"),
            _ if is_reference => Ok(Takes::EventRef),
            _ => Ok(Takes::Event),
        },
        _ => refuse(event.ty.span(), "a belt takes an event or a batch of them"),
    }
}
