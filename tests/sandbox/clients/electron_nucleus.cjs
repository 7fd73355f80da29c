// The main process of an Electron app with electron-nucleus: endpoint, app id and, for a second machine, its id.
// Electron itself is a large binary from elsewhere than npm. The client asks it for a folder and a version and starts
// its crash reporter; here these three come from the object below, all else is the client's.
const Module = require("module");
const path = require("path");

const [endpoint, appId, machineId] = process.argv.slice(2);
const electron = {
  app: { getPath: () => path.join(process.env.HOME, "userData"), getVersion: () => "1.2.0" },
  crashReporter: { start: () => {} },
};
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request === "electron") return electron;
  if (request === "node-machine-id" && machineId) return { machineIdSync: () => machineId };
  return load.call(this, request, ...rest);
};
const Nucleus = require("electron-nucleus")(appId, { endpoint, devMode: true, onlyMainProcess: true });

require("./commands.cjs")({
  track: (name, data) => Nucleus.track(name, { payload: data }),
  caught: (message) => Nucleus.trackError("CaughtError", new Error(message)),
  identify: (user) => Nucleus.setUserId(user),
});
