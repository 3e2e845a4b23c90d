/** Migrations are imported as text, so that they are inside a bundled or compiled program too. */
declare module "*.sql" {
  const text: string;
  export default text;
}
