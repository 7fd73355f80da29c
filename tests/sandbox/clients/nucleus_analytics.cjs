// An app of Node.js with nucleus-analytics: endpoint, app id and, for a second machine, its id.
const Nucleus = require("nucleus-analytics");

const [endpoint, appId, deviceId] = process.argv.slice(2);
Nucleus.init(appId, { endpoint: `ws://${endpoint}`, reportInterval: 0.2 });
Nucleus.setProps({ version: "1.2.0", ...(deviceId && { deviceId }) });

require("./commands.cjs")({
  track: (name, data) => Nucleus.track(name, data),
  page: (name) => Nucleus.page(name),
  caught: (message) => Nucleus.trackError("CaughtError", new Error(message)),
  identify: (user, props) => Nucleus.identify(user, props),
});
