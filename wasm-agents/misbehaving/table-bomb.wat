;; Content "go": grows a table by 4,096 entries again and again, and traps when it gets no more. Anything
;; else is answered with the same content, in its conversation. Caxton refuses `table.grow` when a module is
;; deployed, so it never gets so far.
(module
  (import "caxton" "send" (func $send (param i32 i32) (result i32)))
  (table $bomb 1 funcref)
  (memory (export "memory") 1)

  ;; Received messages begin at 1,024; what is written comes after them. Small messages only.
  (func (export "alloc") (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 30000)) (then unreachable))
    (i32.const 1024))

  (func (export "handle") (param $in i32) (param $len i32)
    (local $content i32) (local $sender i32) (local $conversation i32) (local $tag i32) (local $out i32) (local $to i32)
    (local.set $content (i32.load offset=60 (local.get $in)))
    (if (i32.and
          (i32.eq (local.get $content) (i32.const 2))
          (i32.eq (i32.load16_u (i32.sub (i32.add (local.get $in) (local.get $len)) (i32.const 2))) (i32.const 0x6f67)))
      (then
        (loop $more
          (br_if $more (i32.ge_s (table.grow $bomb (ref.null func) (i32.const 4096)) (i32.const 0))))
        unreachable))
    (local.set $sender (i32.load16_u offset=40 (local.get $in)))
    (local.set $conversation (i32.load16_u offset=44 (local.get $in)))
    (local.set $tag (i32.load16_u offset=46 (local.get $in)))
    (local.set $out (i32.add (local.get $in) (local.get $len)))
    ;; The header: the version, performative inform, the priority and delivery received, then zeros and lengths.
    (memory.fill (local.get $out) (i32.const 0) (i32.const 64))
    (i32.store (local.get $out) (i32.load (local.get $in)))
    (i32.store8 offset=1 (local.get $out) (i32.const 1))
    (i32.store16 offset=42 (local.get $out) (local.get $sender))
    (i32.store16 offset=44 (local.get $out) (local.get $conversation))
    (i32.store16 offset=48 (local.get $out) (local.get $tag))
    (i32.store offset=60 (local.get $out) (local.get $content))
    ;; The sender becomes the receiver; conversation id and reply-with lie together, as conversation id and in-reply-to.
    (local.set $to (i32.add (local.get $out) (i32.const 64)))
    (memory.copy (local.get $to) (i32.add (local.get $in) (i32.const 64)) (local.get $sender))
    (local.set $to (i32.add (local.get $to) (local.get $sender)))
    (memory.copy
      (local.get $to)
      (i32.add
        (i32.add (local.get $in) (i32.const 64))
        (i32.add (local.get $sender) (i32.load16_u offset=42 (local.get $in))))
      (i32.add (local.get $conversation) (local.get $tag)))
    (local.set $to (i32.add (local.get $to) (i32.add (local.get $conversation) (local.get $tag))))
    (memory.copy
      (local.get $to)
      (i32.sub (i32.add (local.get $in) (local.get $len)) (local.get $content))
      (local.get $content))
    (local.set $to (i32.add (local.get $to) (local.get $content)))
    (i32.store offset=4 (local.get $out) (i32.sub (local.get $to) (local.get $out)))
    (drop (call $send (local.get $out) (i32.sub (local.get $to) (local.get $out))))))
