/** Of a configuration file: more is read of none, whatever it is. What a file may hold is less (config-file.ts). */
export const configFile_bytes_max = 1024 * 1024;
