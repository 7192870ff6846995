use proptest::prelude::*;
use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Config, Engine, ResourceLimiter, Store, Trap};

use super::calls::Calls;
use super::{is_question, metered};

/// Questions until a guest is ended.
const QUESTIONS_MAX: u32 = 100;

/// Counts questions.
#[derive(Default)]
struct Host {
    asked: u32,
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if !is_question(current, desired, maximum) {
            return Ok(true);
        }
        self.asked += 1;
        if self.asked > QUESTIONS_MAX { Err(Trap::Interrupt.into()) } else { Ok(false) }
    }
}

/// Meters a component whose one core module has the text `module` and exports `run: func(x: u32) -> u32`, and calls that.
/// Answers the result and the number of questions.
fn run(module: &str, x: u32) -> (wasmtime::Result<u32>, u32) {
    run_linked(&format!("(core module $m {module}) (core instance $i (instantiate $m))"), x)
}

/// The same with several modules: `run` is exported by the core instance `$i`.
fn run_linked(modules: &str, x: u32) -> (wasmtime::Result<u32>, u32) {
    let text = format!(
        r#"(component
            {modules}
            (func (export "run") (param "x" u32) (result u32) (canon lift (core func $i "run")))
        )"#
    );
    let component = metered(&wat::parse_str(text).unwrap()).unwrap();
    let mut config = Config::new();
    config.concurrency_support(false);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, component).unwrap();
    let mut store = Store::new(&engine, Host::default());
    store.limiter(|host| host);
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let run: TypedFunc<(u32,), (u32,)> = instance.get_typed_func(&mut store, "run").unwrap();
    let result = run.call(&mut store, (x,));
    (result.map(|(y,)| y), store.data().asked)
}

fn is_ended(module: &str) {
    let (result, asked) = run(module, 1);
    let error = result.expect_err("it would have run for ever");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt), "{error:#}");
    assert_eq!(asked, QUESTIONS_MAX + 1);
}

#[test]
fn an_endless_loop_with_calls_is_ended() {
    is_ended(
        r#"(func $nothing)
           (func (export "run") (param i32) (result i32) (loop $l (call $nothing) (br $l)) (unreachable))"#,
    );
}

#[test]
fn an_endless_loop_around_a_plain_one_is_ended_although_that_is_short() {
    is_ended(
        r#"(func (export "run") (param i32) (result i32)
             (loop $outer
               (local.set 0 (i32.const 3))
               (loop $inner (br_if $inner (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
               (br $outer))
             (unreachable))"#,
    );
}

/// A module with a plain loop of so many turns, and one that calls it over and over.
fn turns(how_many: &str) -> String {
    format!(
        r#"(core module $library
             (func (export "turns") (param i32)
               (loop $plain (br_if $plain (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
           (core instance $library (instantiate $library))
           (core module $m
             (import "library" "turns" (func $turns (param i32)))
             (func (export "run") (param i32) (result i32)
               (loop $l (call $turns (i32.const {how_many})) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
               (local.get 0)))
           (core instance $i (instantiate $m (with "library" (instance $library))))"#
    )
}

#[test]
fn plain_loops_of_another_module_are_asked_about_by_themselves() {
    // Each call but the last has its turns asked about by the next one.
    let (result, asked) = run_linked(&turns("1_000_000"), 50);
    assert_eq!((result.unwrap(), asked), (0, 49));
}

#[test]
fn a_plain_loop_that_never_ends_is_ended_all_the_same() {
    // What goes in a circle through memory, as a script with forged objects can make it.
    let (result, asked) = run(
        r#"(memory 1)
           (func (export "run") (param i32) (result i32)
             (i32.store (i32.const 8) (i32.const 8))
             (local.set 0 (i32.const 8))
             (loop $plain (br_if $plain (local.tee 0 (i32.load (local.get 0)))))
             (local.get 0))"#,
        0,
    );
    let error = result.expect_err("it would have run for ever");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::UnreachableCodeReached), "{error:#}");
    assert_eq!(asked, 0);
}

#[test]
fn the_turns_of_plain_loops_count_at_the_next_question() {
    let (result, asked) = run(
        r#"(func $nothing)
           (func (export "run") (param i32) (result i32)
             (loop $plain (br_if $plain (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
             (loop (call $nothing))
             (local.get 0))"#,
        1_000_000,
    );
    assert_eq!((result.unwrap(), asked), (0, 1));
}

#[test]
fn cycles_of_tail_calls_are_ended() {
    is_ended(
        r#"(func $a (param i32) (result i32) (return_call $b (local.get 0)))
           (func $b (param i32) (result i32) (return_call $a (local.get 0)))
           (func (export "run") (param i32) (result i32) (call $a (local.get 0)))"#,
    );
}

#[test]
fn exponential_recursion_is_ended() {
    is_ended(
        r#"(func $f (export "run") (param i32) (result i32)
             (if (i32.gt_u (local.get 0) (i32.const 60)) (then (return (i32.const 0))))
             (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (call $f (i32.add (local.get 0) (i32.const 1)))))"#,
    );
}

#[test]
fn recursion_through_a_table_is_ended() {
    is_ended(
        r#"(type $t (func (param i32) (result i32)))
           (table 2 funcref) (elem (i32.const 1) $f)
           (func $f (export "run") (param i32) (result i32)
             (if (i32.gt_u (local.get 0) (i32.const 60)) (then (return (i32.const 0))))
             (i32.add (call_indirect (type $t) (i32.add (local.get 0) (i32.const 1)) (i32.const 1))
                      (call_indirect (type $t) (i32.add (local.get 0) (i32.const 1)) (i32.const 1))))"#,
    );
}

#[test]
fn large_operations_on_memory_count_by_their_size() {
    let (result, asked) = run(
        r#"(memory 64)
           (func (export "run") (param i32) (result i32)
             (memory.fill (i32.const 0) (i32.const 7) (i32.shl (local.get 0) (i32.const 20)))
             (memory.copy (i32.const 0) (i32.const 1) (i32.shl (local.get 0) (i32.const 20)))
             (i32.load8_u (i32.const 5)))"#,
        3,
    );
    assert_eq!((result.unwrap(), asked), (7, 2));
}

#[test]
fn what_a_module_computes_stays() {
    // Every kind of reference to a function: call, table, element, export, start, name; with and without imports.
    let (result, asked) = run(
        r#"(type $t (func (param i32) (result i32)))
           (global $start (mut i32) (i32.const 0))
           (table 4 funcref)
           (elem (i32.const 0) func $one $two)
           (elem declare func $two)
           (memory 1) (data (i32.const 8) "\2a")
           (func $begin (global.set $start (i32.const 100)))
           (start $begin)
           (func $one (type $t) (i32.add (local.get 0) (i32.const 1)))
           (func $two (type $t) (i32.mul (local.get 0) (i32.const 2)))
           (func $run (export "run") (param i32) (result i32) (local i64 f64)
             (table.set (i32.const 3) (ref.func $two))
             (memory.copy (i32.const 16) (i32.const 8) (i32.const 4))
             (i32.add
               (i32.add (global.get $start) (i32.load (i32.const 16)))
               (call_indirect (type $t)
                 (call_indirect (type $t) (call $one (local.get 0)) (i32.const 3)) (i32.const 0)))
             (block (br 0)))"#,
        10,
    );
    assert_eq!((result.unwrap(), asked), (100 + 42 + (10 + 1) * 2 + 1, 0));
}

#[test]
fn what_is_no_component_is_refused() {
    assert!(metered(b"no component").is_err());
}

proptest! {
    #[test]
    fn without_its_checked_functions_no_module_has_a_cycle_of_calls(
        calls in proptest::collection::vec(proptest::collection::vec(0..30u32, 0..4), 1..30)
    ) {
        let calls: Vec<Vec<u32>> =
            calls.iter().map(|all| all.iter().copied().filter(|to| (*to as usize) < calls.len()).collect()).collect();
        let checked = Calls::of(calls.clone()).checked();
        // Whoever calls only functions that are checked or done is done: all are in the end.
        let mut done = checked.clone();
        for _ in 0..calls.len() {
            for (at, callees) in calls.iter().enumerate() {
                done[at] |= callees.iter().all(|to| done[*to as usize]);
            }
        }
        prop_assert!(done.iter().all(|done| *done), "{calls:?} {checked:?}");
    }
}

/// Were each way walked, this would never end.
#[test]
fn a_tree_of_calls_is_walked_once() {
    let calls = (0..2_000).map(|n| vec![n + 1, n + 2]).collect();
    assert!(Calls::of(calls).checked().iter().all(|checked| !checked));
}
