;; A belt that grows its table until it is refused, and then does not survive that. No compiler of today makes a program
;; grow its own table, so this one is written by hand.
;;
;; `node build.mjs hostile-table/table ../../wit/belt.wit belt` makes table.wasm of it.
;;
;; It answers no updates for each event. An event whose payload is longer than that of {"do":"ok"} makes it grow.
(module
  (memory (export "memory") 4)
  (table $table 1 funcref)
  ;; Where the next allocation goes: the outcomes, all of them zero, take the first page.
  (global $next (mut i32) (i32.const 65536))

  ;; Allocates and never frees: the memory is that of one batch at a time.
  (func (export "cabi_realloc") (param $old i32) (param $old-bytes i32) (param $align i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $next) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $bytes)))
    (local.get $at))

  ;; execute: func(events: list<event>) -> result<list<outcome>, string>
  (func (export "execute") (param $events i32) (param $count i32) (result i32)
    (local $event i32)
    (local $end i32)
    (global.set $next (i32.const 65536))
    (local.set $event (local.get $events))
    (local.set $end (i32.add (local.get $events) (i32.mul (local.get $count) (i32.const 16))))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $event) (local.get $end)))
        ;; An event is two lists, headers and payload, each a pointer and a length.
        (if (i32.gt_u (i32.load offset=12 (local.get $event)) (i32.const 11))
          (then (call $grow)))
        (local.set $event (i32.add (local.get $event) (i32.const 16)))
        (br $each)))
    ;; The result: ok, and a list of outcomes, of which zeros are one without updates.
    (i32.store (i32.const 65524) (i32.const 0))
    (i32.store (i32.const 65528) (i32.const 0))
    (i32.store (i32.const 65532) (local.get $count))
    (i32.const 65524))

  (func $grow
    (loop $again
      (br_if $again
        (i32.ne (table.grow $table (ref.null func) (i32.const 65536)) (i32.const -1))))
    (unreachable)))
