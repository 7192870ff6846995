;; A belt of contract granary:belt@1.0.0, kept to see that every later 1.x runs it. Written by hand, so that what it
;; imports is what is written here, whatever SDKs and compilers become.
;;
;; belt.wit is the contract as it was: `node build.mjs contract-1.0.0/belt contract-1.0.0/belt.wit belt`.
;;
;; It answers one row for each event, the event's payload as it is, and calls every function of the contract once for each
;; batch.
(module
  (import "granary:belt/logging@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "granary:belt/configuration@1.0.0" "belt-id" (func $belt-id (param i32)))
  (import "granary:belt/configuration@1.0.0" "get" (func $variable (param i32 i32 i32)))
  (import "granary:belt/configuration@1.0.0" "all" (func $variables (param i32)))
  (import "granary:belt/metrics@1.0.0" "increment" (func $increment (param i32 i32 i64 i32 i32)))
  (import "granary:belt/metrics@1.0.0" "gauge" (func $gauge (param i32 i32 f64 i32 i32)))
  (import "granary:belt/metrics@1.0.0" "observe" (func $observe (param i32 i32 f64 i32 i32)))
  (import "granary:belt/profiles@1.0.0" "get" (func $profile (param i32 i32 i32 i32 i32 i32 i32)))
  (import "granary:belt/eventstore@1.0.0" "get" (func $event (param i32 i32 i32 i32 i32)))

  ;; The texts below, what functions answer (from 256 on), the result (from 512 on), then what is allocated.
  (memory (export "memory") 16)
  (data (i32.const 0) "livesegment-dataoutp")
  (data (i32.const 32) "VARIABLE")
  (global $next (mut i32) (i32.const 1024))

  ;; Allocates and never frees: the memory is that of one batch at a time.
  (func $allocate (export "cabi_realloc") (param $old i32) (param $old-bytes i32) (param $align i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $next) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $bytes)))
    (local.get $at))

  (func (export "cabi_post_execute") (param i32)
    (global.set $next (i32.const 1024)))

  ;; What a function answers must be the error `not-available`.
  (func $not-available
    (if (i32.or
          (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1))
          (i32.ne (i32.load8_u (i32.const 260)) (i32.const 0)))
      (then (unreachable))))

  (func $call-all
    ;; The belt's id becomes a line of its logs, at level info, and so does the variable, which is there.
    (call $belt-id (i32.const 256))
    (call $log (i32.const 1) (i32.load (i32.const 256)) (i32.load (i32.const 260)))
    (call $variable (i32.const 32) (i32.const 8) (i32.const 256))
    (if (i32.ne (i32.load8_u (i32.const 256)) (i32.const 1)) (then (unreachable)))
    (call $log (i32.const 1) (i32.load (i32.const 260)) (i32.load (i32.const 264)))
    (call $variables (i32.const 256))
    (if (i32.ne (i32.load (i32.const 260)) (i32.const 1)) (then (unreachable)))
    (call $increment (i32.const 32) (i32.const 8) (i64.const 1) (i32.const 0) (i32.const 0))
    (call $gauge (i32.const 32) (i32.const 8) (f64.const 2) (i32.const 0) (i32.const 0))
    (call $observe (i32.const 32) (i32.const 8) (f64.const 3) (i32.const 0) (i32.const 0))
    ;; Of a correlation id, without a profile type, without history.
    (call $profile (i32.const 32) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
    (call $not-available)
    (call $event (i32.const 32) (i32.const 8) (i32.const 32) (i32.const 8) (i32.const 256))
    (call $not-available))

  ;; execute: func(events: list<event>) -> result<list<outcome>, string>
  (func (export "execute") (param $events i32) (param $count i32) (result i32)
    (local $outcomes i32)
    (local $update i32)
    (local $index i32)
    (local $at i32)
    (call $call-all)
    ;; An outcome has 24 bytes, an update 144.
    (local.set $outcomes
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.mul (local.get $count) (i32.const 24))))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $index) (local.get $count)))
        (local.set $update (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 144)))
        ;; A direct update: the output's name, and the payload as it is at offset 8 of the event.
        (i32.store (local.get $update) (i32.const 0))
        (i32.store offset=8 (local.get $update) (i32.const 0))
        (i32.store offset=12 (local.get $update) (i32.const 20))
        (local.set $at (i32.add (local.get $events) (i32.mul (local.get $index) (i32.const 16))))
        (i32.store offset=16 (local.get $update) (i32.load offset=8 (local.get $at)))
        (i32.store offset=20 (local.get $update) (i32.load offset=12 (local.get $at)))
        ;; The outcome: ok, a list of that one.
        (local.set $at (i32.add (local.get $outcomes) (i32.mul (local.get $index) (i32.const 24))))
        (i32.store (local.get $at) (i32.const 0))
        (i32.store offset=4 (local.get $at) (local.get $update))
        (i32.store offset=8 (local.get $at) (i32.const 1))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $each)))
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (local.get $outcomes))
    (i32.store (i32.const 520) (local.get $count))
    (i32.const 512)))
