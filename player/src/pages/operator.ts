/** Entry of the operator page. */
import "../styles/base.css";
import "../elements/operator-page";
