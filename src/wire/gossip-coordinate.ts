/**
 * A network coordinate on the wire: rides on acks. Only its shape is checked here; whether its values
 * are sane is the receiver's to judge (swim/coordinates.ts), so that a strange one never costs the ack.
 */
import { type Reader, WireError, type Writer } from "./cursor.ts";

/** A place in a space where distance is round-trip time (Dabek et al., Vivaldi, 2004). All in ms. */
export interface Coordinate {
  readonly vector_ms: readonly number[];
  /** Relative error that its node estimates for it. */
  readonly error: number;
  /** Corrects what no space of few dimensions can show; may be negative. */
  readonly adjustment_ms: number;
  /** The way from the node to the core of the network, added to every distance. */
  readonly height_ms: number;
}

/** More than any version sends; what a node accepts is its own matter. */
export const dimensionsLimit = 32;

/** Four bytes a number: a seventh digit of a round trip means nothing. */
export function writeCoordinate(writer: Writer, coordinate: Coordinate): void {
  if (coordinate.vector_ms.length > dimensionsLimit) throw new WireError("coordinate of too many dimensions");
  writer.u8(coordinate.vector_ms.length);
  for (const part of coordinate.vector_ms) writer.f32(part);
  writer.f32(coordinate.error).f32(coordinate.adjustment_ms).f32(coordinate.height_ms);
}

export function readCoordinate(reader: Reader): Coordinate {
  const dimensions = reader.u8();
  if (dimensions > dimensionsLimit) throw new WireError("coordinate of too many dimensions");
  return {
    vector_ms: Array.from({ length: dimensions }, () => reader.f32()),
    error: reader.f32(),
    adjustment_ms: reader.f32(),
    height_ms: reader.f32(),
  };
}
