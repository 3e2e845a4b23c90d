/** `caxton cluster analyze`: what could be better, each suggestion with the figure that it is drawn from. */
import type { AnalyzeAnswer } from "../../api/resources/resources.ts";
import { command } from "../command.ts";

export const analyze = command({
  brief: "Suggest what could be better, by what was measured",
  examples: ["caxton cluster analyze", "caxton cluster analyze --format wide"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).operations.analyze();
    call.output.lines(analysisLines(answer, call.output.format === "wide"), answer);
  },
});

/** Wide: also of what nothing was measured yet. */
export function analysisLines({ suggestions, looked, missing }: AnalyzeAnswer, wide: boolean): string[] {
  const lines = suggestions.map(
    ({ topic, measured, expected, suggestion }) => `- ${topic} (${measured}, ${expected}): ${suggestion}`,
  );
  if (lines.length > 0) lines.unshift("Suggestions:");
  else lines.push(`No suggestions: ${looked} figures are within their limits`);
  if (wide) lines.push(...missing.map((topic) => `Not measured yet: ${topic.toLowerCase()}`));
  return lines;
}
