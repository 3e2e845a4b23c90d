/**
 * The only globals beyond ECMAScript that the pure folders may use. `tsconfig.pure.json` compiles
 * them with these and without the DOM, Bun or Node, so that a timer, a clock or a socket is a type error.
 */

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean });
  decode(bytes?: ArrayBuffer | ArrayBufferView, options?: { readonly stream?: boolean }): string;
}
