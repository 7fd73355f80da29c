// An app of Node.js with nucleus-nodejs: endpoint, app id and, for a second machine, its id.
const Nucleus = require("nucleus-nodejs");

const [endpoint, appId, machineId] = process.argv.slice(2);
Nucleus.init(appId, { endpoint: `ws://${endpoint}`, reportInterval: 0.2 });
Nucleus.setProps({ version: "1.2.0", ...(machineId && { machineId }) });
Nucleus.appStarted();

require("./commands.cjs")({
  track: (name, data) => Nucleus.track(name, data),
  caught: (message) => Nucleus.trackError("CaughtError", new Error(message)),
  identify: (user, props) => Nucleus.identify(user, props),
});
