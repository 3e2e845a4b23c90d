/**
 * `CAXTON_PROPERTY_SEED=n`: every property draws from this seed, so that a run can be repeated as it was, as
 * continuous integration does. Without it each run tries other values, and a failure names its seed.
 */
const seed = process.env["CAXTON_PROPERTY_SEED"];
if (seed !== undefined) {
  // Only then: loading it takes time in every file.
  const { configureGlobal, readConfigureGlobal } = await import("fast-check");
  configureGlobal({ ...readConfigureGlobal(), seed: Number(seed) });
}

export {};
