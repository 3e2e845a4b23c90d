/** The numbers of control commands and queries. One that was released never changes and is never reused. */

export const controlCommands = {
  sessionOpen: 1,
  sessionClose: 2,
  mark: 3,
  nodePut: 10,
  nodeRemove: 11,
  settingPut: 20,
  settingDelete: 21,
  kvPut: 30,
  kvDelete: 31,
  lockAcquire: 40,
  lockRelease: 41,
} as const;

export const controlQueries = {
  hash: 1,
  mark: 2,
  sectionWalk: 3,
  sectionCheck: 4,
  fileCheck: 5,
  nodes: 10,
  settings: 20,
  kvGet: 30,
  kvList: 31,
  lockGet: 40,
} as const;
