/**
 * The page at `/docs`: one file that lists the operations of `/openapi.json`. Nothing is fetched from
 * elsewhere; its policy allows only the inline script and style below and requests to this node.
 */

export const docsPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

export const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Caxton API</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
  summary { cursor: pointer; } code, pre { font: 13px/1.5 ui-monospace, monospace; }
  .method { display: inline-block; width: 4.5rem; font-weight: 600; } pre { overflow: auto; }
</style>
<h1>Caxton API</h1>
<p>The machine-readable document is <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<main id="operations">Loading…</main>
<script>
  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  fetch("/openapi.json").then((answer) => answer.json()).then((api) => {
    const main = document.getElementById("operations");
    main.textContent = "";
    const groups = new Map();
    for (const [path, item] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        const tag = (operation.tags || ["other"])[0];
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push({ path, method, operation });
      }
    }
    for (const [tag, operations] of groups) {
      main.append(make("h2", tag));
      for (const { path, method, operation } of operations) {
        const details = make("details");
        const summary = make("summary");
        summary.append(make("code", method.toUpperCase(), "method"), make("code", path), " " + (operation.summary || ""));
        const { parameters, requestBody, responses } = operation;
        details.append(summary, make("pre", JSON.stringify({ parameters, requestBody, responses }, null, 2)));
        main.append(details);
      }
    }
  }).catch((error) => { document.getElementById("operations").textContent = String(error); });
</script>
</html>
`;
