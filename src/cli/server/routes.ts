/** `caxton server …`. */
import { noun } from "../noun.ts";
import { start } from "./start.ts";
import { stop } from "./stop.ts";

export const server = noun("Run and stop a node", { start, stop });
