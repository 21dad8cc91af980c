// The driver of Vault's Go API client: one JSON request a line on standard input, one JSON answer a line on standard output.
// Everything it knows of the server, it has from the environment variables that the client itself reads.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	vault "github.com/hashicorp/vault/api"
	auth "github.com/hashicorp/vault/api/auth/azure"
)

type request struct {
	Do   string   `json:"do"`
	Args []string `json:"args"`
}

type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
	Status int    `json:"status,omitempty"`
}

var background = context.Background()

func main() {
	client, err := vault.NewClient(vault.DefaultConfig())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked request
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			_ = output.Encode(answer{Error: err.Error()})
			continue
		}
		do, found := operations[asked.Do]
		if !found {
			_ = output.Encode(answer{Error: "no such operation: " + asked.Do})
			continue
		}
		result, err := do(client, asked.Args)
		_ = output.Encode(told(result, err))
	}
}

func told(result any, err error) answer {
	if err == nil {
		return answer{Result: result}
	}
	failure := answer{Error: err.Error()}
	var refused *vault.ResponseError
	if errors.As(err, &refused) {
		failure.Status = refused.StatusCode
	}
	return failure
}

type operation func(c *vault.Client, a []string) (any, error)

var operations = map[string]operation{
	"token": func(c *vault.Client, a []string) (any, error) {
		c.SetToken(a[0])
		return "set", nil
	},
	"wrap for": func(c *vault.Client, a []string) (any, error) {
		c.SetWrappingLookupFunc(func(string, string) string { return a[0] })
		return "set", nil
	},

	// The documented way of a machine of Azure: the client asks the metadata service at its fixed address.
	"azure login": func(c *vault.Client, a []string) (any, error) {
		var options []auth.LoginOption
		if len(a) > 1 {
			options = append(options, auth.WithMountPath(a[1]))
		}
		if len(a) > 2 {
			options = append(options, auth.WithResource(a[2]))
		}
		method, err := auth.NewAzureAuth(a[0], options...)
		if err != nil {
			return nil, err
		}
		secret, err := c.Auth().Login(background, method)
		if err != nil {
			return nil, err
		}
		return secret.Auth, nil
	},
	"documented azure example": func(*vault.Client, []string) (any, error) { return passwordOfAzureMachine() },

	"health":      func(c *vault.Client, _ []string) (any, error) { return c.Sys().Health() },
	"seal status": func(c *vault.Client, _ []string) (any, error) { return c.Sys().SealStatus() },
	"leader":      func(c *vault.Client, _ []string) (any, error) { return c.Sys().Leader() },
	"mounts":      func(c *vault.Client, _ []string) (any, error) { return c.Sys().ListMounts() },
	"methods":     func(c *vault.Client, _ []string) (any, error) { return c.Sys().ListAuth() },
	"mount": func(c *vault.Client, a []string) (any, error) {
		return done(c.Sys().Mount(a[0], &vault.MountInput{Type: "kv", Options: map[string]string{"version": a[1]}}))
	},
	"unmount": func(c *vault.Client, a []string) (any, error) { return done(c.Sys().Unmount(a[0])) },
	"tuned":   func(c *vault.Client, a []string) (any, error) { return c.Sys().MountConfig(a[0]) },
	"enable method": func(c *vault.Client, a []string) (any, error) {
		return done(c.Sys().EnableAuthWithOptions(a[0], &vault.EnableAuthOptions{Type: a[1]}))
	},
	"disable method": func(c *vault.Client, a []string) (any, error) { return done(c.Sys().DisableAuth(a[0])) },
	"put policy":     func(c *vault.Client, a []string) (any, error) { return done(c.Sys().PutPolicy(a[0], a[1])) },
	"policy":         func(c *vault.Client, a []string) (any, error) { return c.Sys().GetPolicy(a[0]) },
	"policies":       func(c *vault.Client, _ []string) (any, error) { return c.Sys().ListPolicies() },
	"delete policy":  func(c *vault.Client, a []string) (any, error) { return done(c.Sys().DeletePolicy(a[0])) },
	"capabilities":   func(c *vault.Client, a []string) (any, error) { return c.Sys().CapabilitiesSelf(a[0]) },

	"read":   func(c *vault.Client, a []string) (any, error) { return whole(c.Logical().Read(a[0])) },
	"list":   func(c *vault.Client, a []string) (any, error) { return whole(c.Logical().List(a[0])) },
	"delete": func(c *vault.Client, a []string) (any, error) { return whole(c.Logical().Delete(a[0])) },
	"write": func(c *vault.Client, a []string) (any, error) {
		return whole(c.Logical().WriteBytes(a[0], []byte(a[1])))
	},
	"unwrap": func(c *vault.Client, a []string) (any, error) { return whole(c.Logical().Unwrap(a[0])) },

	"get": func(c *vault.Client, a []string) (any, error) { return c.KVv2("secret").Get(background, a[0]) },
	"get version": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").GetVersion(background, a[0], number(a[1]))
	},
	"put": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").Put(background, a[0], object(a[1]))
	},
	"put expecting": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").Put(background, a[0], object(a[1]), vault.WithCheckAndSet(number(a[2])))
	},
	"patch": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").Patch(background, a[0], object(a[1]), vault.WithMergeMethod(a[2]))
	},
	"metadata": func(c *vault.Client, a []string) (any, error) { return c.KVv2("secret").GetMetadata(background, a[0]) },
	"versions": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").GetVersionsAsList(background, a[0])
	},
	"put metadata": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").PutMetadata(background, a[0], vault.KVMetadataPutInput{
			MaxVersions:    number(a[1]),
			CustomMetadata: object(a[2]),
		}))
	},
	"patch metadata": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").PatchMetadata(background, a[0], vault.KVMetadataPatchInput{CustomMetadata: object(a[1])}))
	},
	"delete latest": func(c *vault.Client, a []string) (any, error) { return done(c.KVv2("secret").Delete(background, a[0])) },
	"delete versions": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").DeleteVersions(background, a[0], numbers(a[1:])))
	},
	"undelete": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").Undelete(background, a[0], numbers(a[1:])))
	},
	"destroy": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").Destroy(background, a[0], numbers(a[1:])))
	},
	"rollback": func(c *vault.Client, a []string) (any, error) {
		return c.KVv2("secret").Rollback(background, a[0], number(a[1]))
	},
	"delete all": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv2("secret").DeleteMetadata(background, a[0]))
	},
	"get of v1": func(c *vault.Client, a []string) (any, error) { return c.KVv1("kv").Get(background, a[0]) },
	"put of v1": func(c *vault.Client, a []string) (any, error) {
		return done(c.KVv1("kv").Put(background, a[0], object(a[1])))
	},
	"delete of v1": func(c *vault.Client, a []string) (any, error) { return done(c.KVv1("kv").Delete(background, a[0])) },

	"create token": func(c *vault.Client, a []string) (any, error) {
		var wanted vault.TokenCreateRequest
		if err := json.Unmarshal([]byte(a[0]), &wanted); err != nil {
			return nil, err
		}
		return tokenOf(c.Auth().Token().Create(&wanted))
	},
	"look up self":     func(c *vault.Client, _ []string) (any, error) { return dataOf(c.Auth().Token().LookupSelf()) },
	"look up":          func(c *vault.Client, a []string) (any, error) { return dataOf(c.Auth().Token().Lookup(a[0])) },
	"look up accessor": func(c *vault.Client, a []string) (any, error) { return dataOf(c.Auth().Token().LookupAccessor(a[0])) },
	"renew self": func(c *vault.Client, a []string) (any, error) {
		return tokenOf(c.Auth().Token().RenewSelf(number(a[0])))
	},
	"revoke":                       func(c *vault.Client, a []string) (any, error) { return done(c.Auth().Token().RevokeTree(a[0])) },
	"revoke accessor":              func(c *vault.Client, a []string) (any, error) { return done(c.Auth().Token().RevokeAccessor(a[0])) },
	"revoke self":                  func(c *vault.Client, _ []string) (any, error) { return done(c.Auth().Token().RevokeSelf("")) },
	"renewals of lifetime watcher": func(c *vault.Client, a []string) (any, error) { return renewals(c, number(a[0])) },
}

// The example of the public documentation of Vault's azure method, in the same calls with the same names: a machine's password.
func passwordOfAzureMachine() (string, error) {
	client, err := vault.NewClient(vault.DefaultConfig())
	if err != nil {
		return "", err
	}
	azureAuth, err := auth.NewAzureAuth("dev-role-azure")
	if err != nil {
		return "", err
	}
	authInfo, err := client.Auth().Login(background, azureAuth)
	if err != nil {
		return "", err
	}
	if authInfo == nil {
		return "", errors.New("no auth info")
	}
	secret, err := client.KVv2("secret").Get(background, "creds")
	if err != nil {
		return "", err
	}
	value, isText := secret.Data["password"].(string)
	if !isText {
		return "", fmt.Errorf("a password of type %T", secret.Data["password"])
	}
	return value, nil
}

// What agents and operators keep a token alive with: tells how often the client's own watcher renewed it.
func renewals(c *vault.Client, wanted int) (any, error) {
	self, err := c.Auth().Token().RenewSelf(0)
	if err != nil {
		return nil, err
	}
	watcher, err := c.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: self})
	if err != nil {
		return nil, err
	}
	go watcher.Start()
	defer watcher.Stop()
	for count := 0; count < wanted; {
		select {
		case <-watcher.RenewCh():
			count++
		case err := <-watcher.DoneCh():
			return count, fmt.Errorf("the watcher ended after %d renewals: %w", count, err)
		case <-time.After(20 * time.Second):
			return count, fmt.Errorf("no renewal after %d", count)
		}
	}
	return wanted, nil
}

func done(err error) (any, error) { return "done", err }

func whole(secret *vault.Secret, err error) (any, error) {
	if secret == nil && err == nil {
		return "nothing", nil
	}
	return secret, err
}

func dataOf(secret *vault.Secret, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

func tokenOf(secret *vault.Secret, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return secret.Auth, nil
}

func object(text string) map[string]any {
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		panic(err)
	}
	return value
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return value
}

func numbers(texts []string) []int {
	values := make([]int, len(texts))
	for index, text := range texts {
		values[index] = number(text)
	}
	return values
}
