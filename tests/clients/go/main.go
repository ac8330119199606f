// Command main calls Canvas twice and prints, as JSON, what came of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// report is what the test reads; Asked counts the requests to the token endpoint.
type report struct {
	Organization string `json:"organization"`
	Asked        int    `json:"asked"`
	Error        string `json:"error"`
	Status       int    `json:"status"`
	RetryAfter   string `json:"retry_after"`
}

// counter counts what is posted; only tokens are.
type counter struct{ posted int }

func (c *counter) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPost {
		c.posted++
	}
	return http.DefaultTransport.RoundTrip(request)
}

// impatient asks for a token each time.
type impatient struct {
	ctx    context.Context
	config *clientcredentials.Config
}

func (i impatient) Token() (*oauth2.Token, error) { return i.config.Token(i.ctx) }

func config(style oauth2.AuthStyle, organization string) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID:     "billing",
		ClientSecret: os.Getenv("TOKEN_BROKER_KEY"),
		TokenURL:     os.Getenv("TOKEN_BROKER") + "/token",
		Scopes:       []string{organization},
		AuthStyle:    style,
	}
}

func client(ctx context.Context, way, organization string) *http.Client {
	switch way {
	case "documented":
		return canvas(ctx, organization)
	case "pod":
		return canvasFromPod(ctx, organization)
	case "params":
		return config(oauth2.AuthStyleInParams, organization).Client(ctx)
	case "expiring": // within the next hour, as every token does
		source := impatient{ctx, config(oauth2.AuthStyleInHeader, organization)}
		return oauth2.NewClient(ctx, oauth2.ReuseTokenSourceWithExpiry(nil, source, time.Hour))
	default:
		return config(oauth2.AuthStyleAutoDetect, organization).Client(ctx)
	}
}

func call(canvas *http.Client, found *report) error {
	answer, err := canvas.Get(os.Getenv("CANVAS"))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(found)
}

func main() {
	count := &counter{}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: count})
	canvas := client(ctx, os.Args[1], os.Args[2])
	found := report{}
	err := errors.Join(call(canvas, &found), call(canvas, &found))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		found.Error = refused.ErrorCode
		found.Status = refused.Response.StatusCode
		found.RetryAfter = refused.Response.Header.Get("Retry-After")
	} else if err != nil {
		panic(err)
	}
	found.Asked = count.posted
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
