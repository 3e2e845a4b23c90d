/** A request to a peer that had left, in part at least, when its answer was given up: the peer may have done it. */
import { CaxtonError } from "../../base/errors.ts";

export class Unanswered extends CaxtonError {}
