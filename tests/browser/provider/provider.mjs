// A provider of OpenID Connect (the certified package oidc-provider) with its own forms: any name is let in by any
// password. Arguments: port, redirect address, secret of the client, and the people with their groups as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
const [port, callback, secret, people] = process.argv.slice(2);
const groups = JSON.parse(people);

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: "rollcall", client_secret: secret, redirect_uris: [callback] }],
  scopes: ["openid", "profile", "groups"],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  pkce: { required: () => true },
  // Claims of scopes are told when asked, as most providers do: the token has `sub` alone.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: groups[id] ?? [] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
