// The exports every agent needs. Give this file to asc beside your own: its exports become the module's.
export { alloc, handle, on_timer } from "./caxton";
