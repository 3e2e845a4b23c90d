/** The version of this checkout, as `package.json` has it. */
import manifest from "../../package.json" with { type: "json" };

export const caxtonVersion: string = manifest.version;
