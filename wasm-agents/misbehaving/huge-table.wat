;; Declares a table of ten million entries (640 MiB in some engines): it can not be deployed.
(module
  (table 10000000 funcref)
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "handle") (param i32 i32)))
