// Command go-oracle says what the libraries do that Helm is made of: which proxy, which credentials, which token, which
// certificate. It reads one JSON question a line and writes one JSON answer a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/http/httpproxy"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

type question struct {
	Kind string `json:"kind"`

	HTTPProxy  string `json:"http_proxy"`
	HTTPSProxy string `json:"https_proxy"`
	NoProxy    string `json:"no_proxy"`
	CGI        bool   `json:"cgi"`
	URL        string `json:"url"`

	Config string `json:"config"`
	Host   string `json:"host"`
	// A script for the program docker-credential-oracle.
	Helper string `json:"helper"`

	Header string `json:"header"`
	Reply  string `json:"reply"`

	Certificate certificate `json:"certificate"`
}

type answer map[string]any

func main() {
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var asked question
			if err := json.Unmarshal(line, &asked); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			told, err := reply(asked)
			if err != nil {
				told = answer{"error": err.Error()}
			}
			if err := out.Encode(told); err != nil {
				os.Exit(1)
			}
		}
		if err != nil {
			return
		}
	}
}

func reply(asked question) (answer, error) {
	switch asked.Kind {
	case "proxy":
		return proxy(asked)
	case "credentials":
		return credential(asked)
	case "token":
		return token(asked)
	case "media type":
		mediaType, _, err := mime.ParseMediaType(asked.Header)
		return answer{"type": mediaType}, err
	case "certificate":
		return asked.Certificate.judge()
	}
	return nil, errors.New("unknown kind")
}

func proxy(asked question) (answer, error) {
	target, err := url.Parse(asked.URL)
	if err != nil {
		return nil, err
	}
	config := httpproxy.Config{
		HTTPProxy: asked.HTTPProxy, HTTPSProxy: asked.HTTPSProxy, NoProxy: asked.NoProxy, CGI: asked.CGI,
	}
	through, err := config.ProxyFunc()(target)
	if err != nil || through == nil {
		return answer{"proxy": nil}, err
	}
	return answer{"proxy": through.Scheme + "://" + strings.ToLower(through.Host)}, nil
}

func credential(asked question) (answer, error) {
	folder, err := os.MkdirTemp("", "go-oracle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "config.json")
	if err := os.WriteFile(path, []byte(asked.Config), 0o600); err != nil {
		return nil, err
	}
	if asked.Helper != "" {
		script := "#!/bin/sh\n" + asked.Helper + "\n"
		if err := os.WriteFile(filepath.Join(folder, "docker-credential-oracle"), []byte(script), 0o755); err != nil {
			return nil, err
		}
		before := os.Getenv("PATH")
		os.Setenv("PATH", folder+":"+before)
		defer os.Setenv("PATH", before)
	}
	store, err := credentials.NewStore(path, credentials.StoreOptions{AllowPlaintextPut: true})
	if err != nil {
		return nil, errors.New("the file is malformed")
	}
	found, err := credentials.Credential(store)(context.Background(), asked.Host)
	if err != nil {
		return nil, errors.New("the store cannot answer")
	}
	return answer{
		"username": found.Username, "password": found.Password,
		"refresh": found.RefreshToken, "bearer": found.AccessToken,
	}, nil
}

// registry answers a request without a token with a challenge, and the realm with a reply.
type registry struct {
	header, reply string
	asked         string
	authorized    string
}

func (r *registry) RoundTrip(request *http.Request) (*http.Response, error) {
	response := func(status int, body string) *http.Response {
		return &http.Response{
			StatusCode: status, Header: http.Header{}, Request: request,
			Body: io.NopCloser(strings.NewReader(body)),
		}
	}
	if request.URL.Host == "" {
		return nil, errors.New("no host")
	}
	if !strings.HasPrefix(request.URL.Path, "/v2/") {
		query := request.URL.Query()
		query.Del("account")
		request.URL.RawQuery = query.Encode()
		r.asked = request.URL.String()
		return response(200, r.reply), nil
	}
	if r.authorized = request.Header.Get("Authorization"); r.authorized != "" {
		return response(200, ""), nil
	}
	refused := response(401, "")
	refused.Header.Set("Www-Authenticate", r.header)
	return refused, nil
}

func token(asked question) (answer, error) {
	at := &registry{header: asked.Header, reply: asked.Reply}
	client := auth.Client{
		Client:     &http.Client{Transport: at},
		Credential: auth.StaticCredential("r.example", auth.Credential{Username: "ann", Password: "abc"}),
	}
	request, err := http.NewRequest(http.MethodGet, "https://r.example/v2/team/app/tags/list", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{"asked": at.asked, "authorization": nil}, nil
	}
	response.Body.Close()
	return answer{"asked": at.asked, "authorization": at.authorized}, nil
}
