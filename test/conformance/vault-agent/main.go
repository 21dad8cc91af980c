// The driver of the automatic login of Vault's agent: the agent's own code for it (`auto_auth` with the method `azure` and a file as sink), wired as
// `vault agent` wires it. One JSON request a line on standard input, one JSON answer a line on standard output. The address and the authority of the server come
// from the environment variables that Vault's clients read.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/command/agentproxyshared/auth"
	"github.com/hashicorp/vault/command/agentproxyshared/auth/azure"
	"github.com/hashicorp/vault/command/agentproxyshared/sink"
	"github.com/hashicorp/vault/command/agentproxyshared/sink/file"
)

type request struct {
	Do   string   `json:"do"`
	Args []string `json:"args"`
}

type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// What the agent logs, line by line: the only sign it gives of what it does.
type journal struct{ lines chan map[string]any }

func (j journal) Write(text []byte) (int, error) {
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil {
			j.lines <- fields
		}
	}
	return len(text), nil
}

// Waits for a line that says so, and gives what went wrong there, if anything did.
func (j journal) wait(message string) (any, error) {
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line := <-j.lines:
			if line["@message"] != message {
				continue
			}
			if failure, found := line["error"]; found {
				return failure, nil
			}
			return message, nil
		case <-deadline:
			return nil, errors.New("the agent never said: " + message)
		}
	}
}

type agent struct {
	path string
	said journal
	stop context.CancelFunc
}

func start(folder string, options []string) (*agent, error) {
	said := journal{make(chan map[string]any, 1000)}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Info, JSONFormat: true, Output: said})
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return nil, err
	}
	var wrapTTL time.Duration
	if len(options) > 2 {
		if wrapTTL, err = time.ParseDuration(options[2]); err != nil {
			return nil, err
		}
	}
	method, err := azure.NewAzureAuthMethod(&auth.AuthConfig{
		Logger: logger, MountPath: "auth/azure", WrapTTL: wrapTTL,
		Config: map[string]any{"role": options[0], "resource": options[1]},
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, fmt.Sprintf("token-%d", time.Now().UnixNano()))
	toFile := &sink.SinkConfig{Logger: logger, Client: client, Config: map[string]any{"path": path}}
	if toFile.Sink, err = file.NewFileSink(toFile); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	handler := auth.NewAuthHandler(&auth.AuthHandlerConfig{
		Logger: logger, Client: client, WrapTTL: wrapTTL, MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Second,
		UserAgent: "Vault Agent Auto-Auth", MetricsSignifier: "agent",
	})
	server := sink.NewSinkServer(&sink.SinkServerConfig{Logger: logger, Client: client})
	go func() { _ = handler.Run(ctx, method) }()
	go func() { _ = server.Run(ctx, handler.OutputCh, []*sink.SinkConfig{toFile}) }()
	return &agent{path: path, said: said, stop: stop}, nil
}

// A client with the token that the agent keeps in its file: wrapped, or as it is.
func (a *agent) client() (*api.Client, error) {
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(a.path)
	if err != nil {
		return nil, err
	}
	var wrapped api.SecretWrapInfo
	if json.Unmarshal(text, &wrapped) != nil {
		client.SetToken(string(text))
		return client, nil
	}
	secret, err := client.Logical().Unwrap(wrapped.Token)
	if err != nil {
		return nil, err
	}
	client.SetToken(secret.Auth.ClientToken)
	return client, nil
}

var running *agent

func do(operation string, args []string) (any, error) {
	if operation == "start" {
		var err error
		running, err = start(".", args)
		return "started", err
	}
	if running == nil {
		return nil, errors.New("no agent runs")
	}
	switch operation {
	case "wait for":
		return running.said.wait(args[0])
	case "stop":
		running.stop()
		return running.said.wait("auth handler stopped")
	case "mode":
		status, err := os.Stat(running.path)
		if err != nil {
			return nil, err
		}
		return status.Mode().String(), nil
	}
	client, err := running.client()
	if err != nil {
		return nil, err
	}
	switch operation {
	case "read":
		secret, err := client.KVv2("secret").Get(context.Background(), args[0])
		if err != nil {
			return nil, err
		}
		return secret.Data, nil
	case "look up":
		secret, err := client.Auth().Token().LookupSelf()
		if err != nil {
			return nil, err
		}
		return secret.Data, nil
	case "revoke":
		return "revoked", client.Auth().Token().RevokeSelf("")
	}
	return nil, errors.New("no such operation: " + operation)
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked request
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			_ = output.Encode(answer{Error: err.Error()})
			continue
		}
		result, err := do(asked.Do, asked.Args)
		if err != nil {
			_ = output.Encode(answer{Error: err.Error()})
			continue
		}
		_ = output.Encode(answer{Result: result})
	}
}
