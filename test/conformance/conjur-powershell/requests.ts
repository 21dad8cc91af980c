/**
 * The requests of the published PowerShell walkthroughs, byte for byte as `Invoke-RestMethod` and its HTTP stack write them, with `{…}` for what each run
 * puts in. The steps are: token from the metadata service, log in at authn-azure with it, read the variable.
 *
 * Windows PowerShell 5.1 sends through HttpWebRequest: `Host` comes late, a body is announced with `Expect: 100-continue`, and is sent when the server
 * says so or after 350 ms. PowerShell 7 sends through SocketsHttpHandler: `Host` comes first, the body at once.
 * Sources: System.Net.ServicePoint.Expect100Continue (default true) and HttpWebRequest.ContinueTimeout (350 ms) in .NET Framework's reference; WebRequestPSCmdlet
 * of PowerShell 7.4 (user agent, order of headers).
 */

export interface Requests {
  readonly userAgent: string;
  readonly metadata: string;
  readonly login: string;
  readonly read: string;
}

const agent51 = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.17763.6292";
const agent74 = "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.20348; en-US) PowerShell/7.4.6";
const metadataPath = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";
const form = "application/x-www-form-urlencoded";

function lines(...text: readonly string[]): string {
  return [...text, "", ""].join("\r\n");
}

export const windowsPowerShell: Requests = {
  userAgent: agent51,
  metadata: lines(`GET ${metadataPath} HTTP/1.1`, "Metadata: true", `User-Agent: ${agent51}`, "Host: {host}", "Connection: Keep-Alive"),
  login: lines(
    "POST {path} HTTP/1.1",
    "Accept-Encoding: base64",
    `User-Agent: ${agent51}`,
    `Content-Type: ${form}`,
    "Host: {host}",
    "Content-Length: {length}",
    "Expect: 100-continue",
    "Connection: Keep-Alive",
  ),
  read: lines(
    "GET {path} HTTP/1.1",
    'Authorization: Token token="{token}"',
    `User-Agent: ${agent51}`,
    "Host: {host}",
    "Connection: Keep-Alive",
  ),
};

export const powerShell7: Requests = {
  userAgent: agent74,
  metadata: lines(
    `GET ${metadataPath} HTTP/1.1`,
    "Host: {host}",
    "Metadata: true",
    `User-Agent: ${agent74}`,
    "Accept-Encoding: gzip, deflate, br",
  ),
  login: lines(
    "POST {path} HTTP/1.1",
    "Host: {host}",
    "Accept-Encoding: base64",
    `User-Agent: ${agent74}`,
    `Content-Type: ${form}`,
    "Content-Length: {length}",
  ),
  read: lines(
    "GET {path} HTTP/1.1",
    "Host: {host}",
    'Authorization: Token token="{token}"',
    `User-Agent: ${agent74}`,
    "Accept-Encoding: gzip, deflate, br",
  ),
};
