;; A transform of contract granary:transform@0.1.0, of the world that takes lists of records, kept to see that every later
;; 0.1.x runs it. Written by hand, so that what it imports is what is written here, whatever SDKs and compilers become.
;;
;; transform.wit is the contract as it was: `node build.mjs transform-0.1.0/transform transform-0.1.0/transform.wit transform`.
;;
;; It writes a line to the logs, then answers for each record: its payload as it is, and a deletion of the event `e` of `c`;
;; a record without payload fails.
(module
  (import "granary:transform/host@0.1.0" "log" (func $log (param i32 i32 i32)))

  ;; The texts below, the result (from 512 on), then what is allocated.
  (memory (export "memory") 16)
  (data (i32.const 0) "a batch")
  (data (i32.const 16) "c")
  (data (i32.const 17) "e")
  (data (i32.const 32) "empty")
  (data (i32.const 48) "expected a payload")
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

  ;; execute: func(records: list<source-record>) -> result<list<outcome>, string>
  (func (export "execute") (param $records i32) (param $count i32) (result i32)
    (local $outcomes i32)
    (local $messages i32)
    (local $record i32)
    (local $outcome i32)
    (local $index i32)
    ;; At level info.
    (call $log (i32.const 1) (i32.const 0) (i32.const 7))
    ;; An outcome has 24 bytes, and so has a message.
    (local.set $outcomes
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.mul (local.get $count) (i32.const 24))))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $index) (local.get $count)))
        (local.set $record (i32.add (local.get $records) (i32.mul (local.get $index) (i32.const 16))))
        (local.set $outcome (i32.add (local.get $outcomes) (i32.mul (local.get $index) (i32.const 24))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (if (i32.load offset=12 (local.get $record))
          (then
            (local.set $messages
              (call $allocate (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 48)))
            ;; The payload, which is at offset 8 of the record, as JSON.
            (i32.store (local.get $messages) (i32.const 0))
            (i32.store offset=4 (local.get $messages) (i32.load offset=8 (local.get $record)))
            (i32.store offset=8 (local.get $messages) (i32.load offset=12 (local.get $record)))
            ;; The deletion.
            (i32.store offset=24 (local.get $messages) (i32.const 1))
            (i32.store offset=28 (local.get $messages) (i32.const 16))
            (i32.store offset=32 (local.get $messages) (i32.const 1))
            (i32.store offset=36 (local.get $messages) (i32.const 1))
            (i32.store offset=40 (local.get $messages) (i32.const 17))
            (i32.store offset=44 (local.get $messages) (i32.const 1))
            ;; The outcome: ok, a list of these two.
            (i32.store (local.get $outcome) (i32.const 0))
            (i32.store offset=4 (local.get $outcome) (local.get $messages))
            (i32.store offset=8 (local.get $outcome) (i32.const 2)))
          (else
            ;; The outcome: a failure that may pass.
            (i32.store (local.get $outcome) (i32.const 1))
            (i32.store offset=4 (local.get $outcome) (i32.const 32))
            (i32.store offset=8 (local.get $outcome) (i32.const 5))
            (i32.store offset=12 (local.get $outcome) (i32.const 48))
            (i32.store offset=16 (local.get $outcome) (i32.const 18))
            (i32.store offset=20 (local.get $outcome) (i32.const 1))))
        (br $each)))
    (i32.store (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (local.get $outcomes))
    (i32.store (i32.const 520) (local.get $count))
    (i32.const 512)))
