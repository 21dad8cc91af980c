import io.github.jopenlibs.vault.SslConfig;
import io.github.jopenlibs.vault.Vault;
import io.github.jopenlibs.vault.VaultConfig;
import io.github.jopenlibs.vault.VaultException;
import io.github.jopenlibs.vault.json.Json;
import io.github.jopenlibs.vault.json.JsonArray;
import io.github.jopenlibs.vault.json.JsonObject;
import io.github.jopenlibs.vault.json.JsonValue;
import io.github.jopenlibs.vault.response.AuthResponse;
import io.github.jopenlibs.vault.response.LogicalResponse;
import io.github.jopenlibs.vault.response.LookupResponse;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * The driver of the Java client vault-java-driver: one JSON request a line on standard input, one JSON answer a line on standard output. JSON is read and written
 * with the client's own parser, which came out of minimal-json.
 */
public class Driver {
  private static String token = System.getenv("SERVER_TOKEN");

  public static void main(String[] unused) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream output = new PrintStream(System.out, true, "UTF-8");
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      JsonObject request = Json.parse(line).asObject();
      JsonArray values = request.get("args").asArray();
      String[] args = new String[values.size()];
      for (int index = 0; index < args.length; index++) args[index] = values.get(index).asString();
      JsonObject answer = new JsonObject();
      try {
        answer.add("result", call(request.getString("do", ""), args));
      } catch (VaultException refused) {
        answer.add("error", String.valueOf(refused.getMessage())).add("status", refused.getHttpStatusCode());
      } catch (Exception error) {
        answer.add("error", error.toString());
      }
      output.println(answer.toString());
    }
  }

  private static Vault vault(int version) throws VaultException {
    SslConfig ssl = new SslConfig().pemFile(new File(System.getenv("SERVER_CA_FILE"))).build();
    VaultConfig config = new VaultConfig().address(System.getenv("SERVER_URL")).token(token).sslConfig(ssl).engineVersion(version).build();
    return Vault.create(config);
  }

  private static JsonValue call(String operation, String[] args) throws VaultException {
    switch (operation) {
      case "token":
        token = args[0];
        return Json.value("set");
      case "login by approle":
        return toldOf(vault(2).auth().loginByAppRole(args[0], args[1]));
      case "login by userpass":
        return toldOf(vault(2).auth().loginByUserPass(args[0], args[1]));
      case "login by jwt":
        return toldOf(vault(2).auth().loginByJwt(args[0], args[1], args[2]));
      case "renew self":
        return toldOf(vault(2).auth().renewSelf());
      case "look up self":
        LookupResponse self = vault(2).auth().lookupSelf();
        return new JsonObject().add("id", self.getId()).add("path", self.getPath()).add("username", self.getUsername());
      case "revoke self":
        vault(2).auth().revokeSelf();
        return Json.value("revoked");
      case "read":
        return dataOf(vault(version(args)).logical().read(args[1]));
      case "read version":
        return dataOf(vault(2).logical().read(args[0], true, Integer.parseInt(args[1])));
      case "write":
        return statusOf(vault(version(args)).logical().write(args[1], objectOf(args[2])));
      case "list":
        JsonArray keys = new JsonArray();
        for (String key : vault(version(args)).logical().list(args[1]).getListData()) keys.add(key);
        return keys;
      case "delete":
        return statusOf(vault(version(args)).logical().delete(args[1]));
      case "destroy":
        return statusOf(vault(2).logical().destroy(args[0], new int[] {Integer.parseInt(args[1])}));
      case "health":
        return new JsonObject().add("sealed", vault(2).debug().health().getSealed());
      default:
        throw new IllegalArgumentException("no such operation: " + operation);
    }
  }

  private static int version(String[] args) {
    return Integer.parseInt(args[0]);
  }

  private static Map<String, Object> objectOf(String text) {
    Map<String, Object> values = new HashMap<>();
    for (JsonObject.Member member : Json.parse(text).asObject()) {
      JsonValue value = member.getValue();
      values.put(member.getName(), value.isString() ? value.asString() : value);
    }
    return values;
  }

  private static JsonObject toldOf(AuthResponse answer) {
    JsonArray policies = new JsonArray();
    for (String policy : answer.getAuthPolicies()) policies.add(policy);
    return new JsonObject()
        .add("token", answer.getAuthClientToken())
        .add("lease", answer.getAuthLeaseDuration())
        .add("renewable", answer.isAuthRenewable())
        .add("policies", policies);
  }

  /** The client answers with what it got, also where the server refused. */
  private static JsonObject statusOf(LogicalResponse answer) {
    return new JsonObject().add("status", answer.getRestResponse().getStatus());
  }

  private static JsonObject dataOf(LogicalResponse answer) {
    JsonObject data = new JsonObject();
    for (Map.Entry<String, String> entry : answer.getData().entrySet()) data.add(entry.getKey(), entry.getValue());
    return statusOf(answer).add("data", data);
  }
}
