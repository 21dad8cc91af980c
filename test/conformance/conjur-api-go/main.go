// The driver of Conjur's Go API client: one JSON request a line on standard input, one JSON answer a line on standard output.
// Everything it knows of the server, it has from the environment variables and files that the client itself reads.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cyberark/conjur-api-go/conjurapi"
	"github.com/cyberark/conjur-api-go/conjurapi/authn"
	"github.com/cyberark/conjur-api-go/conjurapi/response"
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

type operation func(c *conjurapi.Client, a []string) (any, error)

func main() {
	var client *conjurapi.Client
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		var asked request
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			_ = output.Encode(answer{Error: err.Error()})
			continue
		}
		if connect, found := connections[asked.Do]; found {
			connected, err := connect(asked.Args)
			if err == nil {
				client = connected
			}
			_ = output.Encode(told("connected", err))
			continue
		}
		do, found := operations[asked.Do]
		if !found || client == nil {
			_ = output.Encode(answer{Error: "no such operation, or no connection: " + asked.Do})
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
	var refused *response.ConjurError
	if errors.As(err, &refused) {
		failure.Status = refused.Code
	}
	if failure.Error == "" {
		failure.Error = "no text"
	}
	return failure
}

// How a client comes to be.
var connections = map[string]func(a []string) (*conjurapi.Client, error){
	"from environment": func([]string) (*conjurapi.Client, error) {
		config, err := conjurapi.LoadConfig()
		if err != nil {
			return nil, err
		}
		return conjurapi.NewClientFromEnvironment(config)
	},
	"with key": func(a []string) (*conjurapi.Client, error) {
		config, err := conjurapi.LoadConfig()
		if err != nil {
			return nil, err
		}
		return conjurapi.NewClientFromKey(config, authn.LoginPair{Login: a[0], APIKey: a[1]})
	},
	"with oidc code": func(a []string) (*conjurapi.Client, error) {
		config, err := conjurapi.LoadConfig()
		if err != nil {
			return nil, err
		}
		return conjurapi.NewClientFromOidcCode(config, a[0], a[1], a[2])
	},
	"with oidc token": func(a []string) (*conjurapi.Client, error) {
		config, err := conjurapi.LoadConfig()
		if err != nil {
			return nil, err
		}
		return conjurapi.NewClientFromOidcToken(config, a[0])
	},
	"without credentials": func([]string) (*conjurapi.Client, error) {
		config, err := conjurapi.LoadConfig()
		if err != nil {
			return nil, err
		}
		return conjurapi.NewClient(config)
	},
}

var operations = map[string]operation{
	"login":           func(c *conjurapi.Client, a []string) (any, error) { return text(c.Login(a[0], a[1])) },
	"authenticate":    func(c *conjurapi.Client, a []string) (any, error) { return text(c.InternalAuthenticate()) },
	"refresh":         func(c *conjurapi.Client, a []string) (any, error) { return "refreshed", c.ForceRefreshToken() },
	"whoami":          func(c *conjurapi.Client, a []string) (any, error) { return object(c.WhoAmI()) },
	"logout":          func(c *conjurapi.Client, a []string) (any, error) { return "forgotten", c.PurgeCredentials() },
	"version":         func(c *conjurapi.Client, a []string) (any, error) { return c.ServerVersion() },
	"enterprise":      func(c *conjurapi.Client, a []string) (any, error) { return c.EnterpriseServerInfo() },
	"change password": func(c *conjurapi.Client, a []string) (any, error) { return text(c.ChangeCurrentUserPassword(a[0])) },
	"rotate own key":  func(c *conjurapi.Client, a []string) (any, error) { return text(c.RotateCurrentRoleAPIKey()) },
	"rotate key":      func(c *conjurapi.Client, a []string) (any, error) { return text(c.RotateAPIKey(a[0])) },
	"rotate user key": func(c *conjurapi.Client, a []string) (any, error) { return text(c.RotateUserAPIKey(a[0])) },
	"rotate host key": func(c *conjurapi.Client, a []string) (any, error) { return text(c.RotateHostAPIKey(a[0])) },
	"public keys":     func(c *conjurapi.Client, a []string) (any, error) { return text(c.PublicKeys(a[0], a[1])) },
	"oidc providers":  func(c *conjurapi.Client, a []string) (any, error) { return c.ListOidcProviders() },

	"set": func(c *conjurapi.Client, a []string) (any, error) { return "set", c.AddSecret(a[0], a[1]) },
	"get": func(c *conjurapi.Client, a []string) (any, error) { return text(c.RetrieveSecret(a[0])) },
	"get version": func(c *conjurapi.Client, a []string) (any, error) {
		version, err := strconv.Atoi(a[1])
		if err != nil {
			return nil, err
		}
		return text(c.RetrieveSecretWithVersion(a[0], version))
	},
	"get many": func(c *conjurapi.Client, a []string) (any, error) { return c.RetrieveBatchSecretsSafe(a) },
	"get many as text": func(c *conjurapi.Client, a []string) (any, error) {
		values, err := c.RetrieveBatchSecrets(a)
		texts := map[string]string{}
		for id, value := range values {
			texts[id] = string(value)
		}
		return texts, err
	},

	"load": func(c *conjurapi.Client, a []string) (any, error) {
		return c.LoadPolicy(conjurapi.PolicyModePost, a[0], strings.NewReader(a[1]))
	},
	"update": func(c *conjurapi.Client, a []string) (any, error) {
		return c.LoadPolicy(conjurapi.PolicyModePatch, a[0], strings.NewReader(a[1]))
	},
	"replace": func(c *conjurapi.Client, a []string) (any, error) {
		return c.LoadPolicy(conjurapi.PolicyModePut, a[0], strings.NewReader(a[1]))
	},
	"try load": func(c *conjurapi.Client, a []string) (any, error) {
		return c.DryRunPolicy(conjurapi.PolicyModePost, a[0], strings.NewReader(a[1]))
	},
	"try update": func(c *conjurapi.Client, a []string) (any, error) {
		return c.DryRunPolicy(conjurapi.PolicyModePatch, a[0], strings.NewReader(a[1]))
	},
	"try replace": func(c *conjurapi.Client, a []string) (any, error) {
		return c.DryRunPolicy(conjurapi.PolicyModePut, a[0], strings.NewReader(a[1]))
	},
	"fetch": func(c *conjurapi.Client, a []string) (any, error) {
		return text(c.FetchPolicy(a[0], a[1] == "json", 64, 100000))
	},

	"fetch and try again": func(c *conjurapi.Client, a []string) (any, error) {
		policy, err := c.FetchPolicy(a[0], false, 64, 100000)
		if err != nil {
			return nil, err
		}
		return c.DryRunPolicy(conjurapi.PolicyModePatch, "root", strings.NewReader(string(policy)))
	},

	"resource":        func(c *conjurapi.Client, a []string) (any, error) { return c.Resource(a[0]) },
	"resource exists": func(c *conjurapi.Client, a []string) (any, error) { return c.ResourceExists(a[0]) },
	"list": func(c *conjurapi.Client, a []string) (any, error) {
		filter, err := filterOf(a)
		if err != nil {
			return nil, err
		}
		return c.ResourceIDs(filter)
	},
	"inspect": func(c *conjurapi.Client, a []string) (any, error) {
		filter, err := filterOf(a)
		if err != nil {
			return nil, err
		}
		return c.Resources(filter)
	},
	"count": func(c *conjurapi.Client, a []string) (any, error) {
		filter, err := filterOf(a)
		if err != nil {
			return nil, err
		}
		return c.ResourcesCount(filter)
	},
	"check":           func(c *conjurapi.Client, a []string) (any, error) { return c.CheckPermission(a[0], a[1]) },
	"check for role":  func(c *conjurapi.Client, a []string) (any, error) { return c.CheckPermissionForRole(a[0], a[1], a[2]) },
	"permitted roles": func(c *conjurapi.Client, a []string) (any, error) { return c.PermittedRoles(a[0], a[1]) },
	"role":            func(c *conjurapi.Client, a []string) (any, error) { return c.Role(a[0]) },
	"role exists":     func(c *conjurapi.Client, a []string) (any, error) { return c.RoleExists(a[0]) },
	"members":         func(c *conjurapi.Client, a []string) (any, error) { return c.RoleMembers(a[0]) },
	"memberships":     func(c *conjurapi.Client, a []string) (any, error) { return c.RoleMemberships(a[0]) },
	"all memberships": func(c *conjurapi.Client, a []string) (any, error) { return c.RoleMembershipsAll(a[0]) },

	"create tokens": func(c *conjurapi.Client, a []string) (any, error) {
		count, err := strconv.Atoi(a[2])
		if err != nil {
			return nil, err
		}
		return c.CreateToken(a[0], a[1], a[3:], count)
	},
	"revoke token": func(c *conjurapi.Client, a []string) (any, error) { return "revoked", c.DeleteToken(a[0]) },
	"create host": func(c *conjurapi.Client, a []string) (any, error) {
		annotations := map[string]string{}
		for _, pair := range a[2:] {
			name, value, _ := strings.Cut(pair, "=")
			annotations[name] = value
		}
		return c.CreateHostWithAnnotations(a[0], a[1], annotations)
	},

	"enable": func(c *conjurapi.Client, a []string) (any, error) {
		return "enabled", c.EnableAuthenticator(a[0], a[1], true)
	},
	"disable": func(c *conjurapi.Client, a []string) (any, error) {
		return "disabled", c.EnableAuthenticator(a[0], a[1], false)
	},
	"status": func(c *conjurapi.Client, a []string) (any, error) { return c.AuthenticatorStatus(a[0], a[1]) },

	"create branch": func(c *conjurapi.Client, a []string) (any, error) {
		return c.V2().CreateBranch(conjurapi.Branch{Branch: a[0], Name: a[1], Annotations: map[string]string{"made": "by a client"}})
	},
	"branch": func(c *conjurapi.Client, a []string) (any, error) { return c.V2().ReadBranch(a[0]) },
	"branches": func(c *conjurapi.Client, a []string) (any, error) {
		return c.V2().ReadBranches(&conjurapi.BranchFilter{Limit: 100})
	},
	"annotate branch": func(c *conjurapi.Client, a []string) (any, error) {
		return text(c.V2().UpdateBranch(conjurapi.Branch{Name: a[0], Annotations: map[string]string{a[1]: a[2]}}))
	},
	"delete branch": func(c *conjurapi.Client, a []string) (any, error) { return text(c.V2().DeleteBranch(a[0])) },
	"add to group": func(c *conjurapi.Client, a []string) (any, error) {
		return c.V2().AddGroupMember(a[0], conjurapi.GroupMember{Kind: a[1], ID: a[2]})
	},
	"remove from group": func(c *conjurapi.Client, a []string) (any, error) {
		return text(c.V2().RemoveGroupMember(a[0], conjurapi.GroupMember{Kind: a[1], ID: a[2]}))
	},
	"authenticators": func(c *conjurapi.Client, a []string) (any, error) { return c.V2().ListAuthenticators() },
	"authenticator":  func(c *conjurapi.Client, a []string) (any, error) { return c.V2().GetAuthenticator(a[0], a[1]) },
	"create authenticator": func(c *conjurapi.Client, a []string) (any, error) {
		data := map[string]any{}
		if err := json.Unmarshal([]byte(a[2]), &data); err != nil {
			return nil, err
		}
		return c.V2().CreateAuthenticator(&conjurapi.AuthenticatorBase{Type: a[0], Name: a[1], Enabled: conjurapi.Bool(true), Data: data})
	},
	"switch authenticator": func(c *conjurapi.Client, a []string) (any, error) {
		return c.V2().UpdateAuthenticator(a[0], a[1], a[2] == "on")
	},
	"delete authenticator": func(c *conjurapi.Client, a []string) (any, error) {
		return "deleted", c.V2().DeleteAuthenticator(a[0], a[1])
	},
}

// filterOf reads `kind=variable`, `search=db`, `limit=2`, `offset=1`, `role=acme:host:web`.
func filterOf(a []string) (*conjurapi.ResourceFilter, error) {
	filter := conjurapi.ResourceFilter{}
	for _, pair := range a {
		name, value, _ := strings.Cut(pair, "=")
		var err error
		switch name {
		case "kind":
			filter.Kind = value
		case "search":
			filter.Search = value
		case "role":
			filter.Role = value
		case "limit":
			filter.Limit, err = strconv.Atoi(value)
		case "offset":
			filter.Offset, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("no such filter: %s", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return &filter, nil
}

func text(bytes []byte, err error) (any, error) {
	return string(bytes), err
}

func object(bytes []byte, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return json.RawMessage(bytes), nil
}
