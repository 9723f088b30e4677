// What the measured Haraka does to a letter: a banner below each text, as its `set_banner` offers.
// Beside it, what its plugin `relay` does for an allowed network, with no look at the address, and no
// question to the DNS for the client's name. All three spare it work.

const { OK } = require("haraka-constants");

exports.hook_lookup_rdns = (next) => next(OK, "client.example.jp");

exports.hook_connect = (next, connection) => {
  connection.relaying = true;
  next();
};

exports.hook_data = (next, connection) => {
  connection.transaction.set_banner("@TEXT@", "@HTML@");
  next();
};
