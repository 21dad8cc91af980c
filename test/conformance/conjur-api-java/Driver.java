import com.cyberark.conjur.api.Conjur;
import com.cyberark.conjur.api.Token;
import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;

/**
 * The driver of Conjur's Java API client: one JSON request a line on standard input, one JSON answer a line on standard output. Where the server is and whom
 * to trust for it, the client reads from the environment and from system properties.
 */
public class Driver {
  static class Request {
    String operation;
    String[] args;
  }

  private static Conjur conjur;

  public static void main(String[] unused) throws Exception {
    Gson gson = new Gson();
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream output = new PrintStream(System.out, true, "UTF-8");
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      // "do" is a word of the language.
      Request request = gson.fromJson(line.replaceFirst("\"do\":", "\"operation\":"), Request.class);
      Object answer;
      try {
        answer = Collections.singletonMap("result", call(request.operation, request.args));
      } catch (Exception error) {
        answer = Collections.singletonMap("error", error.toString());
      }
      output.println(gson.toJson(answer));
    }
  }

  private static String call(String operation, String[] args) {
    switch (operation) {
      case "from environment":
        conjur = new Conjur();
        return "connected";
      case "with key":
        conjur = new Conjur(args[0], args[1]);
        return "connected";
      case "with token":
        conjur = new Conjur(Token.fromJson(args[0]));
        return "connected";
      case "get":
        return conjur.variables().retrieveSecret(args[0]);
      case "set":
        conjur.variables().addSecret(args[0], args[1]);
        return "set";
      default:
        throw new IllegalArgumentException("no such operation: " + operation);
    }
  }
}
