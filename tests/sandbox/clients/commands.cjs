// What every app written in JavaScript does: read one command per line, such as ["track", "OPENED", {"pages": 3}],
// carry it out, and answer "done". An app ends when its input does.
const readline = require("readline");

module.exports = (methods) => {
  const all = {
    uncaught: (message) => setTimeout(() => { throw new Error(message); }),
    rejected: (message) => { Promise.reject(new Error(message)); },
    quit: () => setImmediate(() => process.exit(0)),
    ...methods,
  };
  readline.createInterface({ input: process.stdin })
    .on("line", (line) => {
      const [name, ...given] = JSON.parse(line);
      all[name](...given);
      console.log("done");
    })
    .on("close", () => process.exit(0));
  console.log("ready");
};
