;; What compilers seldom make: values on labels, several results, tail calls, code that is never reached,
;; passive segments, references to functions, traps.
(module
  (type $pair (func (param i32 i32) (result i64)))
  (memory (export "memory") 1 4)
  (global $turns (mut i64) (i64.const 3))
  (global $ratio (mut f32) (f32.const 0.5))
  (global $vector (mut v128) (v128.const i32x4 1 2 3 4))
  (table $operations 4 funcref)
  (elem (i32.const 0) $even $odd $labels $several)
  (data $text "Passive segments are copied when the code asks for them.")

  (func $even (param $n i32) (param $unused i32) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 1))))
    (return_call $odd (i32.sub (local.get $n) (i32.const 1)) (local.get $unused)))
  (func $odd (param $n i32) (param $unused i32) (result i64)
    (if (i32.eqz (local.get $n)) (then (return (i64.const 0))))
    (return_call $even (i32.sub (local.get $n) (i32.const 1)) (local.get $unused)))
  (func (export "tail") (param $seed i32) (param $n i32) (result i64)
    (call $even (i32.and (local.get $seed) (i32.const 0xffff)) (local.get $n)))

  (func $labels (export "labels") (param $seed i32) (param $n i32) (result i64)
    (local $i i32) (local $sum i64)
    (loop $more
      (local.set $sum
        (i64.add
          (i64.mul (local.get $sum) (i64.const 31))
          (block $a (result i64)
            (drop
              (block $b (result i64)
                (drop
                  (block $c (result i64)
                    (i64.const 5)
                    (br_table $a $b $c $a
                      (i32.and (i32.add (local.get $seed) (local.get $i)) (i32.const 7)))))
                (i64.extend_i32_u (local.get $i))))
            (i64.const 11))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.and (local.get $n) (i32.const 255)))))
    (local.get $sum))

  (func $divide (param i32 i32) (result i32 i32)
    (i32.div_u (local.get 0) (local.get 1))
    (if (i32.gt_u (local.get 1) (i32.const 100)) (then (return (i32.const 7) (i32.const 8))))
    (i32.rem_u (local.get 0) (local.get 1)))
  (func $several (export "several") (param $seed i32) (param $n i32) (result i64)
    (local $a i32)
    (call $divide (local.get $seed) (i32.or (i32.and (local.get $n) (i32.const 127)) (i32.const 1)))
    (local.set $a)
    (i64.add (i64.extend_i32_u) (i64.extend_i32_u (local.get $a))))

  (func (export "unreached") (param $seed i32) (param $n i32) (result i64)
    (block $out (result i64)
      (br $out (i64.extend_i32_u (local.get $seed)))
      (loop $never (br_if $never (i32.const 1)))
      (if (i32.const 0) (then (unreachable)) (else (nop)))
      (i64.const 0)
      (return)))

  (func (export "indirect") (param $seed i32) (param $n i32) (result i64)
    (call_indirect $operations (type $pair)
      (i32.and (local.get $seed) (i32.const 1023))
      (local.get $n)
      (i32.and (local.get $n) (i32.const 3))))

  (func (export "passive") (param $seed i32) (param $n i32) (result i64)
    (memory.init $text (i32.and (local.get $seed) (i32.const 1023)) (i32.const 0) (i32.and (local.get $n) (i32.const 31)))
    (memory.copy (i32.const 2048) (i32.and (local.get $seed) (i32.const 1023)) (i32.const 64))
    (memory.fill (i32.const 4096) (local.get $seed) (i32.and (local.get $n) (i32.const 4095)))
    (i64.add (i64.load (i32.const 2050)) (i64.load (i32.const 4100))))

  (func (export "globals") (param $seed i32) (param $n i32) (result i64)
    (global.set $turns (i64.add (global.get $turns) (i64.extend_i32_u (local.get $seed))))
    (global.set $ratio (f32.mul (global.get $ratio) (f32.const 1.5)))
    (global.set $vector (i32x4.add (global.get $vector) (i32x4.splat (local.get $n))))
    (i64.add
      (i64.add (global.get $turns) (i64.extend_i32_u (i32.reinterpret_f32 (global.get $ratio))))
      (i64x2.extract_lane 1 (global.get $vector))))

  (func (export "grow") (param $seed i32) (param $n i32) (result i64)
    (i64.add
      (i64.mul (i64.extend_i32_s (memory.grow (i32.and (local.get $n) (i32.const 1)))) (i64.const 1000))
      (i64.extend_i32_u (memory.size))))

  (func (export "traps") (param $seed i32) (param $n i32) (result i64)
    (block $d (block $c (block $b (block $a
      (br_table $a $b $c $d (i32.and (local.get $seed) (i32.const 3))))
      (return (i64.extend_i32_u (i32.load (i32.or (local.get $n) (i32.const 0x7fff0000))))))
      (return (i64.extend_i32_s (i32.div_s (local.get $seed) (i32.and (local.get $n) (i32.const 1))))))
      (unreachable))
    (i64.extend_i32_s (i32.trunc_f64_s (f64.div (f64.convert_i32_u (local.get $n)) (f64.const 0)))))
)
