// The host functions of ABI v1 as they are: pointers and lengths. `caxton.ts` wraps them.
// Only those an agent calls end up in its module, so it needs only the capabilities it uses.

// @ts-ignore: decorator
@external("caxton", "log")
export declare function hostLog(level: i32, ptr: usize, len: i32): void;

// @ts-ignore: decorator
@external("caxton", "send")
export declare function hostSend(ptr: usize, len: i32): i32;

// @ts-ignore: decorator
@external("caxton", "now")
export declare function hostNow(): f64;

// @ts-ignore: decorator
@external("caxton", "random")
export declare function hostRandom(): i64;

// @ts-ignore: decorator
@external("caxton", "timer_set")
export declare function hostTimerSet(id: i32, delay_ms: f64): i32;

// @ts-ignore: decorator
@external("caxton", "timer_cancel")
export declare function hostTimerCancel(id: i32): i32;

// @ts-ignore: decorator
@external("caxton", "state_get")
export declare function hostStateGet(key: usize, keyLen: i32, out: usize, outCap: i32): i32;

// @ts-ignore: decorator
@external("caxton", "state_set")
export declare function hostStateSet(key: usize, keyLen: i32, value: usize, valueLen: i32): i32;

// @ts-ignore: decorator
@external("caxton", "state_delete")
export declare function hostStateDelete(key: usize, keyLen: i32): i32;

// @ts-ignore: decorator
@external("caxton", "state_next")
export declare function hostStateNext(key: usize, keyLen: i32, out: usize, outCap: i32): i32;
