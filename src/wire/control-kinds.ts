/** The numbers of control commands and queries. One that was released never changes and is never reused. */

export const controlCommands = {
  sessionOpen: 1,
  sessionClose: 2,
  mark: 3,
  batch: 4,
  nodePut: 10,
  nodeRemove: 11,
  settingPut: 20,
  settingDelete: 21,
  kvPut: 30,
  kvDelete: 31,
  lockAcquire: 40,
  lockRelease: 41,
  assignmentPut: 50,
  assignmentMove: 51,
  assignmentRemove: 52,
  assignmentSuspend: 53,
  registrationPut: 60,
  registrationRemove: 61,
  registrationJudge: 62,
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
  assignmentsSince: 50,
  assignmentGet: 51,
  registrations: 60,
} as const;
