/**
 * Whether anybody still reads what this process prints. A program that only waits learns of a reader that ended at
 * its next line, which may never come; `poll` (POSIX) tells it of pipes, sockets and terminals. Files are always read.
 */

const pollError = 0x08;
const pollHangUp = 0x10;
const stdout = 1;
const libraries: Readonly<Record<string, string>> = { darwin: "libSystem.dylib", linux: "libc.so.6" };

/** Null where the system cannot be asked; then the next line tells. */
export async function outputReader(): Promise<(() => boolean) | null> {
  const library = libraries[process.platform];
  if (library === undefined) return null;
  const { dlopen, FFIType, ptr } = await import("bun:ffi");
  const poll = ((): ((at: number) => number) | null => {
    try {
      // An unsigned int on macOS, a long on Linux: the same register either way.
      const args = [FFIType.ptr, FFIType.u64, FFIType.i32] as const;
      const { symbols } = dlopen(library, { poll: { args, returns: FFIType.i32 } });
      return (at) => symbols.poll(at as never, 1, 0);
    } catch {
      return null;
    }
  })();
  if (poll === null) return null;
  // struct pollfd { int fd; short events; short revents; }
  const asked = new Uint8Array(8);
  const view = new DataView(asked.buffer);
  view.setInt32(0, stdout, true);
  return () => poll(ptr(asked)) <= 0 || (view.getInt16(6, true) & (pollError | pollHangUp)) === 0;
}
