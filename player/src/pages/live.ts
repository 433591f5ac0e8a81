/** Entry of the go-live page. */
import "../styles/base.css";
import "../elements/live-page";
